// The model in use: how far to trust it, and for specialists its lineage, metrics and gates.

import { Problem, get } from "./api.js";
import {
  find,
  formatNumber,
  formatOdds,
  formatPercent,
  formatTime,
  make,
  showText,
  toTitle,
} from "./text.js";
import { t } from "./words.js";

const POLL_INTERVAL_MS = 15_000;
const HASH_LENGTH = 12;
const HUNDRED = 100;

/** Metrics with a title and a meaning in words/, in the order shown. Others follow by name. */
const METRICS = [
  "roc_auc",
  "recall",
  "precision",
  "specificity",
  "balanced_accuracy",
  "pr_auc",
  "brier",
];

export class Model {
  /** `onChange` is called when `risk` has the facts about another model. */
  constructor(risk, onChange) {
    this.risk = risk;
    this.onChange = onChange;
    this.load();
  }

  /** Load and show the model now, and then at every interval. */
  async load() {
    clearTimeout(this.timer);
    try {
      this.render(await get("model"));
      showText(find("model-problem"), "");
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      const isMissing = error.status === 503;
      find("serving").textContent = t(isMissing ? "model.none" : "model.unavailable");
      showText(find("model-problem"), error.message);
      this.identity = undefined;
    } finally {
      this.timer = setTimeout(() => this.load(), POLL_INTERVAL_MS);
    }
  }

  /** Load the model now if a prediction came from another one than the one shown. */
  reloadIfChanged(model) {
    if (this.identity && this.identity !== identify(model)) this.load();
  }

  translate() {
    if (this.identity) this.render(this.risk.facts);
    else this.load();
  }

  render(facts) {
    this.risk.facts = facts;
    const version = facts.version ?? t("model.unregistered");
    find("serving").textContent = t("model.serving", { version, since: formatTime(facts.since) });
    find("trust").replaceChildren(...this.describeTrust().map((text) => make("li", {}, text)));
    find("facts").replaceChildren(
      ...describeFacts(facts).flatMap(([name, value]) => [
        make("dt", {}, name),
        make("dd", {}, value),
      ]),
    );
    find("metrics").replaceChildren(
      ...sortMetrics(facts.metrics ?? {}).map(([name, interval]) => makeMetric(name, interval)),
    );
    const cautions = facts.cautions ?? [];
    find("cautions").replaceChildren(...cautions.map((text) => make("li", {}, `${text}.`)));
    find("cautions").hidden = cautions.length === 0;
    find("gates").replaceChildren(...(facts.gates ?? []).map(makeGate));
    find("model-cards").hidden = false;
    if (identify(facts) !== this.identity) {
      this.identity = identify(facts);
      this.onChange();
    }
  }

  /** Say in plain words how often the mark is right, and how many it misses. */
  describeTrust() {
    const { facts, columns, verb, mark, averageRisk } = this.risk;
    const { recall } = facts.metrics ?? {};
    const { precision, flagged_below_rate: below } = facts;
    const values = { subjects: columns.subjects, outcome: columns.label.positive, verb, mark };
    const sentences = [t("trust.average", { ...values, odds: formatOdds(averageRisk) })];
    if (precision) sentences.push(t("trust.precision", { ...values, odds: formatOdds(precision) }));
    if (below) sentences.push(t("trust.below", { share: formatPercent(below) }));
    if (recall) {
      const [found, low, high] = [recall.value, recall.low, recall.high].map((part) =>
        Math.round(HUNDRED * part),
      );
      sentences.push(t("trust.recall", { ...values, found, low, high }));
    }
    sentences.push(t("trust.limits"));
    return sentences;
  }
}

const identify = ({ version, run_id: run }) => `${version}/${run}`;

/** Return the known facts about a model: [name, value]. */
function describeFacts(model) {
  const { lineage = {} } = model;
  return [
    [t("fact.name"), model.name],
    [t("fact.version"), model.version ?? t("model.unregistered")],
    [t("fact.alias"), model.alias],
    [t("fact.family"), model.family && toTitle(model.family)],
    [t("fact.since"), formatTime(model.since)],
    [t("fact.created"), model.created && formatTime(model.created)],
    [t("fact.threshold"), model.threshold != null && formatPercent(model.threshold)],
    [t("fact.run"), model.run_id && makeHash(model.run_id)],
    [t("fact.pipeline"), lineage.pipeline_run_id],
    [t("fact.bronze"), lineage.bronze && makeHash(lineage.bronze)],
    [t("fact.silver"), lineage.silver && makeHash(lineage.silver)],
    ...Object.entries(lineage.gold ?? {}).map(([split, hash]) => [
      t("fact.split", { split: toTitle(split) }),
      makeHash(hash),
    ]),
    [t("fact.code"), lineage.code_version],
    [t("fact.image"), lineage.image],
  ].filter(([, value]) => value);
}

function makeHash(hash) {
  const text = hash.length > HASH_LENGTH ? `${hash.slice(0, HASH_LENGTH)}…` : hash;
  return make("code", { title: hash }, text);
}

function sortMetrics(metrics) {
  const position = (name) => (METRICS.includes(name) ? METRICS.indexOf(name) : METRICS.length);
  return Object.entries(metrics).sort(([a], [b]) => position(a) - position(b));
}

const metricTitle = (name) =>
  METRICS.includes(name) ? t(`metric.${name}`) : toTitle(name);

function makeMetric(name, { value, low, high }) {
  const meaning = METRICS.includes(name) ? t(`metric.${name}.meaning`) : "";
  const range = make("span", { class: "range" });
  const dot = make("span", { class: "dot" });
  const toPercent = (x) => 100 * Math.min(1, Math.max(0, x));
  range.style.left = `${toPercent(low)}%`;
  range.style.width = `${toPercent(high) - toPercent(low)}%`;
  dot.style.left = `${toPercent(value)}%`;
  const [shownValue, shownLow, shownHigh] = [value, low, high].map(round).map(formatNumber);
  return make(
    "li",
    {},
    makePair("metric-name", metricTitle(name), meaning),
    make("span", { class: "strip", "aria-hidden": "true" }, range, dot),
    makePair("metric-value", shownValue, t("metric.range", { low: shownLow, high: shownHigh })),
  );
}

const makePair = (name, strong, quiet) =>
  make(
    "span",
    { class: name },
    make("strong", {}, strong),
    make("span", { class: "quiet" }, quiet),
  );

/** Round to three significant digits. */
const round = (value) => Number(value.toPrecision(3));

function makeGate({ name, value, bound, passed, reason }) {
  const [side, ...rest] = name.split("_");
  const title = t(`gate.${side}`, { metric: metricTitle(rest.join("_")) });
  const verdict = t(value === null ? "gate.empty" : passed ? "gate.passed" : "gate.failed");
  return make(
    "tr",
    {},
    make("th", { scope: "row" }, title),
    make("td", { class: "number" }, value === null ? "–" : formatGateNumber(value)),
    make("td", { class: "number" }, formatGateNumber(bound)),
    make("td", {}, make("span", { class: passed ? "passed" : "failed" }, verdict)),
    make("td", { class: "quiet" }, reason),
  );
}

/** Format with three significant digits, small numbers in scientific notation. */
function formatGateNumber(value) {
  const isSmall = value !== 0 && Math.abs(value) < 0.001;
  return isSmall ? value.toExponential(1) : formatNumber(round(value));
}

// The model in use: its version and lineage, its metrics and its gates.

import { Problem, get } from "./api.js";
import {
  find,
  formatNumber,
  formatPercent,
  formatTime,
  make,
  showText,
  toTitle,
} from "./text.js";

const POLL_INTERVAL_MS = 15_000;
const HASH_LENGTH = 12;

/** Title and meaning of each metric, in the order shown. Other metrics follow, by name only. */
const METRICS = {
  roc_auc: ["ROC AUC", "How well it ranks: 1 is perfect, 0.5 is chance"],
  recall: ["Recall", "Fraction of those at risk that it finds"],
  precision: ["Precision", "Fraction of those it flags that are at risk"],
  specificity: ["Specificity", "Fraction of those not at risk that it does not flag"],
  balanced_accuracy: ["Balanced accuracy", "Mean of recall and specificity: 0.5 is chance"],
  pr_auc: ["PR AUC", "Mean precision over all thresholds: chance is the fraction at risk"],
  brier: ["Brier score", "Mean squared error of its probabilities: lower is better"],
};
const ORDER = Object.keys(METRICS);

export class Model {
  /** `onChange` is called when another model is in use. */
  constructor(onChange) {
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
      find("serving").textContent = error.status === 503 ? "No model yet" : "Unavailable";
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

  render(model) {
    find("name").textContent = document.title = toTitle(model.name);
    find("serving").textContent =
      `Version ${model.version ?? "unregistered"}, since ${formatTime(model.since)}`;
    find("facts").replaceChildren(
      ...facts(model).flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]),
    );
    find("metrics").replaceChildren(
      ...sortMetrics(model.metrics ?? {}).map(([name, interval]) => makeMetric(name, interval)),
    );
    find("gates").replaceChildren(...(model.gates ?? []).map(makeGate));
    find("model-cards").hidden = false;
    if (identify(model) !== this.identity) {
      this.identity = identify(model);
      this.onChange();
    }
  }
}

const identify = ({ version, run_id: run }) => `${version}/${run}`;

/** Return the known facts about a model: [name, value]. */
function facts(model) {
  const { lineage = {} } = model;
  return [
    ["Name", model.name],
    ["Version", model.version ?? "not registered"],
    ["Alias", model.alias],
    ["Family", model.family && toTitle(model.family)],
    ["In use since", formatTime(model.since)],
    ["Trained", model.created && formatTime(model.created)],
    ["Threshold", model.threshold != null && formatPercent(model.threshold)],
    ["MLflow run", model.run_id && makeHash(model.run_id)],
    ["Pipeline run", lineage.pipeline_run_id],
    ["Raw data", lineage.bronze && makeHash(lineage.bronze)],
    ["Validated data", lineage.silver && makeHash(lineage.silver)],
    ...Object.entries(lineage.gold ?? {}).map(([split, hash]) => [
      `${toTitle(split)} split`,
      makeHash(hash),
    ]),
    ["Code", lineage.code_version],
    ["Image", lineage.image],
  ].filter(([, value]) => value);
}

function makeHash(hash) {
  const text = hash.length > HASH_LENGTH ? `${hash.slice(0, HASH_LENGTH)}…` : hash;
  return make("code", { title: hash }, text);
}

function sortMetrics(metrics) {
  const position = (name) => (ORDER.includes(name) ? ORDER.indexOf(name) : ORDER.length);
  return Object.entries(metrics).sort(([a], [b]) => position(a) - position(b));
}

function makeMetric(name, { value, low, high }) {
  const [title, meaning] = METRICS[name] ?? [toTitle(name), ""];
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
    makePair("metric-name", title, meaning),
    make("span", { class: "strip", "aria-hidden": "true" }, range, dot),
    makePair("metric-value", shownValue, `${shownLow} to ${shownHigh}`),
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
  const metric = rest.join("_");
  const direction = { min: "at least", max: "at most" }[side] ?? "";
  const title = `${METRICS[metric]?.[0] ?? toTitle(metric)} ${direction}`;
  const verdict = value === null ? "nothing to judge" : passed ? "passed" : "failed";
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

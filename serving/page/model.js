// Which model answers, since when, how good it is, and what it had to pass.

import { Problem, get } from "./api.js";
import { find, make, percent, plain, tell, time, title } from "./text.js";

const EVERY = 15_000; // milliseconds between looks for a new version
const HASH = 12; // characters of a hash that are shown

/** How measures are written and what they say, in the order they are shown; one that is not here comes last, by its name alone. */
const MEASURES = {
  roc_auc: ["ROC AUC", "How well it ranks: 1 is perfect, 0.5 is a coin toss"],
  recall: ["Recall", "Share of those at risk that it finds"],
  precision: ["Precision", "Share of its alarms that are right"],
  specificity: ["Specificity", "Share of those not at risk that it leaves in peace"],
  balanced_accuracy: ["Balanced accuracy", "Mean of recall and specificity: 0.5 is a coin toss"],
  pr_auc: ["PR AUC", "Mean precision over all thresholds: the share of those at risk is a coin toss"],
  brier: ["Brier score", "Mean squared error of its probabilities: lower is better"],
};
const ORDER = Object.keys(MEASURES);

export class Model {
  /** `changed` is called when another model has begun to answer. */
  constructor(changed) {
    this.changed = changed;
    this.look();
  }

  async look() {
    clearTimeout(this.timer);
    try {
      this.draw(await get("model"));
      tell(find("model-problem"), "");
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      find("serving").textContent = error.status === 503 ? "No model answers yet" : "No answer";
      tell(find("model-problem"), error.message);
      this.identity = undefined;
    } finally {
      this.timer = setTimeout(() => this.look(), EVERY);
    }
  }

  /** Looks at once when an answer came from another model than the one shown. */
  met({ version, run_id: run }) {
    if (this.identity && this.identity !== `${version}/${run}`) this.look();
  }

  draw(model) {
    const identity = `${model.version}/${model.run_id}`;
    find("name").textContent = document.title = title(model.name);
    find("serving").textContent = `Version ${model.version ?? "unregistered"}, since ${time(model.since)}`;
    find("facts").replaceChildren(...facts(model).flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));
    find("metrics").replaceChildren(...inOrder(model.metrics ?? {}).map(([name, interval]) => metric(name, interval)));
    find("gates").replaceChildren(...(model.gates ?? []).map(gate));
    find("model-cards").hidden = false;
    if (identity !== this.identity) {
      this.identity = identity;
      this.changed();
    }
  }
}

function facts(model) {
  const { lineage = {} } = model;
  return [
    ["Name", model.name],
    ["Version", model.version ?? "not registered"],
    ["Alias", model.alias],
    ["Kind", model.family && title(model.family)],
    ["Answers since", time(model.since)],
    ["Trained", model.created && time(model.created)],
    ["Threshold", model.threshold != null && percent(model.threshold)],
    ["MLflow run", model.run_id && short(model.run_id)],
    ["Pipeline run", lineage.pipeline_run_id],
    ["Raw data", lineage.bronze && short(lineage.bronze)],
    ["Validated data", lineage.silver && short(lineage.silver)],
    ...Object.entries(lineage.gold ?? {}).map(([split, hash]) => [`${title(split)} rows`, short(hash)]),
    ["Code", lineage.code_version],
    ["Image", lineage.image],
  ].filter(([, value]) => value);
}

const short = (hash) => make("code", { title: hash }, hash.length > HASH ? `${hash.slice(0, HASH)}…` : hash);

/** Measures that have a line in MEASURES first, as they stand there. */
function inOrder(metrics) {
  const place = (name) => (ORDER.includes(name) ? ORDER.indexOf(name) : ORDER.length);
  return Object.entries(metrics).sort(([a], [b]) => place(a) - place(b));
}

function metric(name, { value, low, high }) {
  const [head, meaning] = MEASURES[name] ?? [title(name), ""];
  const strip = make("span", { class: "strip", "aria-hidden": "true" }, make("span", { class: "range" }), make("span", { class: "dot" }));
  const [range, dot] = strip.children;
  const place = (x) => 100 * Math.min(1, Math.max(0, x));
  range.style.left = `${place(low)}%`;
  range.style.width = `${place(high) - place(low)}%`;
  dot.style.left = `${place(value)}%`;
  return make(
    "li", {},
    make("span", { class: "metric-name" }, make("strong", {}, head), make("span", { class: "quiet" }, meaning)),
    strip,
    make("span", { class: "metric-value" }, make("strong", {}, plain(round(value))), make("span", { class: "quiet" }, `${plain(round(low))} to ${plain(round(high))}`)),
  );
}

const round = (value) => Number(value.toPrecision(3));

function gate({ name, value, bound, holds, why }) {
  const [side, ...rest] = name.split("_");
  const measure = rest.join("_");
  const head = `${MEASURES[measure]?.[0] ?? title(measure)} ${{ min: "at least", max: "at most" }[side] ?? ""}`;
  const verdict = make("span", { class: holds ? "pass" : "failed" }, value === null ? "nothing to judge" : holds ? "holds" : "failed");
  const cells = [value === null ? "–" : plain3(value), plain3(bound)].map((text) => make("td", { class: "number" }, text));
  return make("tr", {}, make("th", { scope: "row" }, head), ...cells, make("td", {}, verdict), make("td", { class: "quiet" }, why));
}

/** Three digits that matter, small numbers as powers of ten. */
const plain3 = (value) => (value !== 0 && Math.abs(value) < 0.001 ? value.toExponential(1) : plain(round(value)));

// The live prediction for one row. Every change of the form requests a prediction with its
// explanation; the page shows the response to the newest request.

import { PROBABILITY, Problem, post } from "./api.js";
import { Form } from "./form.js";
import {
  categoryTitle,
  find,
  formatNumber,
  formatPercent,
  formatPoints,
  make,
  scaleEnd,
  showText,
  toTitle,
} from "./text.js";

const DEBOUNCE_MS = 60; // pause after a change before a request
const MAX_DEBOUNCE_MS = 150; // limit of that pause while a slider moves
const MAX_PENDING = 3; // requests without a response; one more aborts the oldest
const ANNOUNCE_MS = 800; // pause before a screen reader announces the prediction
// The bars' scale is at least this fraction of the risk scale, so that small contributions
// look small.
const MIN_BAR_SCALE = 0.2;
const NOTICEABLE = 0.0005;

export class WhatIf {
  constructor(columns) {
    this.columns = columns;
    this.form = new Form(find("fields"), columns.features, () => this.schedule());
    this.lastRequest = 0;
    this.lastShown = 0;
    this.pending = [];
    find("one-title").textContent = `What if: one ${columns.subject}`;
    find("risk-name").textContent = `${toTitle(columns.label.name)} probability`;
    find("reset").addEventListener("click", () => this.show(this.example));
    this.rows = new Map(columns.features.map(({ name }) => [name, makeContribution(name)]));
    const elements = [...this.rows.values()].map(({ element }) => element);
    find("contributions").tBodies[0].replaceChildren(...elements);
  }

  get example() {
    return Object.fromEntries(this.columns.features.map(({ name, example }) => [name, example]));
  }

  /** Put a row into the form and predict it. */
  show(row) {
    this.form.values = row;
    this.predict();
  }

  /** Predict after a pause without changes, at most MAX_DEBOUNCE_MS after the first change. */
  schedule() {
    this.firstChange ??= performance.now();
    clearTimeout(this.timer);
    const left = this.firstChange + MAX_DEBOUNCE_MS - performance.now();
    this.timer = setTimeout(() => this.predict(), Math.max(0, Math.min(DEBOUNCE_MS, left)));
  }

  /** Predict the values of the form now, and show the result unless a newer one is shown. */
  async predict() {
    clearTimeout(this.timer);
    this.firstChange = undefined;
    const number = ++this.lastRequest;
    const controller = new AbortController();
    this.pending.push(controller);
    if (this.pending.length > MAX_PENDING) this.pending.shift().abort();
    const values = this.form.values;
    try {
      const showResult = await this.fetchResult(values, controller.signal);
      if (number > this.lastShown) {
        this.lastShown = number;
        showResult();
      }
    } catch (error) {
      if (error.name !== "AbortError") throw error;
    } finally {
      this.pending = this.pending.filter((other) => other !== controller);
    }
  }

  /** Request a prediction. Return a function that shows it, or its error. */
  async fetchResult(values, signal) {
    try {
      const response = await requestPrediction(values, signal);
      return () => this.showPrediction(response, values);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      return () => this.showProblem(error);
    }
  }

  showProblem(problem) {
    const unassigned = this.form.showErrors(problem.errors);
    const messages = unassigned.map(({ message }) => message);
    showText(find("refusal"), problem.errors.length ? messages.join(" ") : problem.message);
    delete find("risk").dataset.risk;
    find("probability").textContent = "–";
    for (const id of ["verdict", "comparison", "spoken"]) find(id).textContent = "";
    find("meter").setAttribute("aria-label", "no prediction");
    find("meter-fill").style.width = 0;
    this.hideContributions("There is no prediction to explain.");
    clearTimeout(this.announcement);
  }

  hideContributions(text) {
    find("contributions").hidden = true;
    find("reason").textContent = text;
  }

  showPrediction(response, values) {
    const [{ label, explanation, [PROBABILITY]: p }] = response.predictions;
    const { threshold } = response;
    this.form.showErrors([]);
    showText(find("refusal"), "");
    this.showRisk(p, threshold, label);
    if (explanation) {
      this.showExplanation(explanation, p, values, MIN_BAR_SCALE * scaleEnd(threshold));
    } else {
      this.hideContributions(`There is no explanation: ${response.explanationError}`);
    }
    this.announce(`${formatPercent(p)}, ${find("verdict").textContent}`);
    this.onResponse?.(response);
  }

  showRisk(p, threshold, label) {
    const isPositive = label === this.columns.label.positive;
    const end = scaleEnd(threshold);
    const [shownP, shownThreshold] = [p, threshold].map(formatPercent);
    find("risk").dataset.risk = isPositive ? "high" : "low";
    find("probability").textContent = shownP;
    find("verdict").textContent = isPositive ? "at risk" : "not at risk";
    find("meter-fill").style.width = `${100 * Math.min(1, p / end)}%`;
    find("meter-mark").style.left = `${(100 * threshold) / end}%`;
    find("meter-end").textContent = end < 1 ? `${formatPercent(end)} or more` : formatPercent(end);
    find("meter").setAttribute("aria-label", `${shownP}, threshold ${shownThreshold}`);
    const side = isPositive ? "At or above" : "Below";
    find("comparison").textContent =
      `${side} the model's threshold of ${shownThreshold}, so the prediction is “${label}”.`;
  }

  /** Announce a prediction to screen readers once the values have stopped changing. */
  announce(text) {
    clearTimeout(this.announcement);
    this.announcement = setTimeout(() => (find("spoken").textContent = text), ANNOUNCE_MS);
  }

  /** Show each feature's contribution. The bars' scale is at least `minScale`. */
  showExplanation({ base, contributions }, p, values, minScale) {
    find("contributions").hidden = false;
    const scale = Math.max(minScale, ...Object.values(contributions).map(Math.abs));
    for (const feature of this.columns.features) {
      const contribution = contributions[feature.name];
      const { value, bar, points } = this.rows.get(feature.name);
      value.textContent = formatValue(feature, values[feature.name]);
      bar.className = contribution < 0 ? "bar lowers" : "bar raises";
      bar.style.width = `${(50 * Math.abs(contribution)) / scale}%`;
      points.textContent = formatPoints(contribution);
    }
    find("base").textContent = formatPercent(base);
    find("sum").textContent = formatPercent(p);
    find("reason").textContent = this.describe(contributions, base, p);
  }

  /** Describe the contribution that changes the probability most. */
  describe(contributions, base, p) {
    const { subject, subjects } = this.columns;
    const [name, largest] = Object.entries(contributions).reduce((max, entry) =>
      Math.abs(entry[1]) > Math.abs(max[1]) ? entry : max,
    );
    const average = `The average for ${subjects} in the training data is ${formatPercent(base)}`;
    if (Math.abs(largest) < NOTICEABLE) return `${average}. No value changes it noticeably.`;
    const verb = largest < 0 ? "lowers" : "raises";
    return `${average}, for this ${subject} ${formatPercent(p)}. ${toTitle(name)} ${verb} it most.`;
  }
}

/**
 * Request a prediction with its explanation, or without one if the predictor cannot explain it
 * now. `log=false`: values that people try out are not live traffic.
 */
async function requestPrediction(values, signal) {
  try {
    return await post("predict?log=false&explain=true", values, signal);
  } catch (error) {
    if (![422, 503].includes(error.status) || error.errors.length) throw error;
    const response = await post("predict?log=false", values, signal);
    return { ...response, explanationError: error.message };
  }
}

function makeContribution(name) {
  const value = make("span", { class: "quiet" });
  const bar = make("div", { class: "bar" });
  const points = make("td", { class: "number" });
  const head = make("th", { scope: "row" }, toTitle(name), " ", value);
  const axis = make("td", { class: "axis", "aria-hidden": "true" }, bar);
  return { element: make("tr", {}, head, axis, points), value, bar, points };
}

const formatValue = (feature, value) =>
  feature.kind === "number" ? formatNumber(value) : categoryTitle(feature, value);

// The live prediction for one row. Every change of the form requests a prediction with its
// explanation; the page shows the response to the newest request.

import { Problem } from "./api.js";
import { describeOutside } from "./cells.js";
import { Form } from "./form.js";
import { Reasons } from "./reasons.js";
import { find, formatPercent, scaleEnd, showText } from "./text.js";
import { t } from "./words.js";

const DEBOUNCE_MS = 60; // pause after a change before a request
const MAX_DEBOUNCE_MS = 150; // limit of that pause while a slider moves
const MAX_PENDING = 3; // requests without a response; one more aborts the oldest
const ANNOUNCE_MS = 800; // pause before a screen reader announces the prediction
const RETRY_MS = 3_000;

export class WhatIf {
  constructor(risk) {
    this.risk = risk;
    this.columns = risk.columns;
    this.features = new Map(this.columns.features.map((feature) => [feature.name, feature]));
    this.form = new Form(find("fields"), this.columns.features, () => this.schedule());
    this.reasons = new Reasons(this.columns.features);
    find("why").append(this.reasons.element);
    this.lastRequest = 0;
    this.lastShown = 0;
    this.pending = [];
    find("reset").addEventListener("click", () => this.show(this.example));
    find("back").addEventListener("click", () => {
      const { goBack } = this;
      this.show(this.example);
      goBack();
    });
    this.showTitle();
  }

  get example() {
    return Object.fromEntries(this.columns.features.map(({ name, example }) => [name, example]));
  }

  /** Arrange the form by the facts about the model. */
  arrange() {
    this.form.arrange(this.risk.facts.importance ?? {});
  }

  translate() {
    this.showTitle();
    this.form.translate();
    this.predict();
  }

  showTitle() {
    const name = this.name ?? t("form.one", { subject: this.columns.subject });
    find("one-title").textContent = t("form.title", { name });
    find("back").hidden = !this.goBack;
    find("reset").hidden = Boolean(this.goBack);
  }

  /** Put a row into the form and predict it. `name` and `goBack` are those of a list's row. */
  show(row, name, goBack) {
    this.name = name;
    this.goBack = goBack;
    this.showTitle();
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
    try {
      const showResult = await this.fetchResult(this.form.values, controller.signal);
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

  /** Request a prediction of valid values. Return a function that shows it, or what is wrong. */
  async fetchResult(values, signal) {
    if (!this.form.check()) return () => this.showNothing("");
    try {
      const result = await this.risk.predict(values, signal);
      return () => this.showPrediction(result, values);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      return () => this.showProblem(error);
    }
  }

  showProblem(problem) {
    const messages = problem.errors.map(({ message }) => message);
    this.showNothing(messages.join(" ") || problem.message);
    if (problem.isTemporary) this.timer = setTimeout(() => this.predict(), RETRY_MS);
  }

  /** Remove the prediction, and show `text` in its place. */
  showNothing(text) {
    showText(find("refusal"), text);
    delete find("risk").dataset.risk;
    find("probability").textContent = "–";
    for (const id of ["verdict", "comparison", "spoken"]) find(id).textContent = "";
    find("meter").setAttribute("aria-label", t("risk.nothing"));
    find("meter-fill").style.width = 0;
    this.form.showWarnings(new Map());
    this.reasons.hide(t("reasons.nothing"));
    clearTimeout(this.announcement);
  }

  showPrediction(result, values) {
    const { p, warnings } = result;
    showText(find("refusal"), "");
    this.showRisk(result);
    const describe = ({ field, value, learned_from: learned }) => [
      field,
      describeOutside(this.features.get(field), value, learned),
    ];
    this.form.showWarnings(new Map(warnings.map(describe)));
    this.reasons.show(this.risk, result, values);
    this.announce(`${formatPercent(p)}, ${find("verdict").textContent}`);
    this.onResponse?.(result);
  }

  showRisk(result) {
    const { p, threshold } = result;
    const end = scaleEnd(threshold);
    find("risk").dataset.risk = this.risk.toneOf(result);
    find("probability").textContent = formatPercent(p);
    find("verdict").textContent = this.risk.describeVerdict(result);
    find("meter-fill").style.width = `${100 * Math.min(1, p / end)}%`;
    find("meter-mark").style.left = `${(100 * threshold) / end}%`;
    const shownEnd = formatPercent(end);
    find("meter-start").textContent = formatPercent(0);
    find("meter-end").textContent = end < 1 ? t("risk.orMore", { p: shownEnd }) : shownEnd;
    const shown = { p: formatPercent(p), threshold: formatPercent(threshold) };
    find("meter").setAttribute("aria-label", t("risk.meter", shown));
    find("comparison").textContent = this.risk.describe(result);
  }

  /** Announce a prediction to screen readers once the values have stopped changing. */
  announce(text) {
    clearTimeout(this.announcement);
    this.announcement = setTimeout(() => (find("spoken").textContent = text), ANNOUNCE_MS);
  }
}

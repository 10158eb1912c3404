// One row, live: every change of the form asks for a prediction with its reasons, and the newest answer is drawn.

import { PROBABILITY, Problem, post } from "./api.js";
import { Form } from "./form.js";
import { choice, find, make, percent, plain, points, scaleEnd, tell, title } from "./text.js";

const REST = 60; // milliseconds without a change before a question is asked
const LONGEST_REST = 150; // ... but while a slider is moved, at least one in so many
const MOST_OPEN = 3; // questions without an answer; the oldest is given up
const SPEAK = 800; // milliseconds of rest before a screen reader is told
const NARROWEST = 0.2; // contributions are drawn against at least this share of the risk's scale, so that small ones look small

export class WhatIf {
  constructor(columns) {
    this.columns = columns;
    this.form = new Form(find("fields"), columns.features, () => this.changed());
    this.asked = 0;
    this.drawn = 0;
    this.open = [];
    find("one-title").textContent = `What if: one ${columns.subject}`;
    find("risk-name").textContent = `${title(columns.label.name)} probability`;
    find("reset").addEventListener("click", () => this.show(this.example));
    this.rows = new Map(columns.features.map(({ name }) => [name, this.row(name)]));
    find("contributions").tBodies[0].replaceChildren(...[...this.rows.values()].map(({ element }) => element));
  }

  get example() {
    return Object.fromEntries(this.columns.features.map(({ name, example }) => [name, example]));
  }

  /** Puts a row into the form and asks about it. */
  show(row) {
    this.form.values = row;
    this.ask();
  }

  changed() {
    this.since ??= performance.now();
    clearTimeout(this.timer);
    const left = this.since + LONGEST_REST - performance.now();
    this.timer = setTimeout(() => this.ask(), Math.max(0, Math.min(REST, left)));
  }

  async ask() {
    clearTimeout(this.timer);
    this.since = undefined;
    const number = ++this.asked;
    const stop = new AbortController();
    this.open.push(stop);
    if (this.open.length > MOST_OPEN) this.open.shift().abort();
    const values = this.form.values;
    try {
      const draw = await this.answer(values, stop.signal);
      if (number > this.drawn) {
        this.drawn = number;
        draw();
      }
    } catch (error) {
      if (error.name !== "AbortError") throw error;
    } finally {
      this.open = this.open.filter((other) => other !== stop);
    }
  }

  /** Asks for the prediction of `values`; resolves to what draws the answer, or the refusal. */
  async answer(values, signal) {
    try {
      const answer = await this.predict(values, signal);
      return () => this.draw(answer, values);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      return () => this.refuse(error);
    }
  }

  /** Where the service has no reasons, or no time for them, the prediction comes without. These rows are nobody's: not logged. */
  async predict(values, signal) {
    try {
      return await post("predict?log=false&explain=true", values, signal);
    } catch (error) {
      if (![422, 503].includes(error.status) || error.errors.length) throw error;
      return { ...(await post("predict?log=false", values, signal)), unexplained: error.message };
    }
  }

  refuse(problem) {
    const left = this.form.show(problem.errors);
    const elsewhere = left.map(({ message }) => message);
    tell(find("refusal"), problem.errors.length ? elsewhere.join(" ") : problem.message);
    delete find("risk").dataset.risk;
    find("probability").textContent = "–";
    for (const id of ["verdict", "comparison", "spoken"]) find(id).textContent = "";
    find("meter").setAttribute("aria-label", "no prediction");
    find("meter-fill").style.width = 0;
    this.withoutReasons("No prediction, no reasons.");
    clearTimeout(this.speaking);
  }

  withoutReasons(text) {
    find("contributions").hidden = true;
    find("reason").textContent = text;
  }

  draw(answer, values) {
    const [{ label, explanation, [PROBABILITY]: p }] = answer.predictions;
    const { threshold } = answer;
    const positive = label === this.columns.label.positive;
    this.form.show([]);
    tell(find("refusal"), "");
    find("risk").dataset.risk = positive ? "high" : "low";
    find("probability").textContent = percent(p);
    find("verdict").textContent = positive ? "at risk" : "not at risk";
    const end = scaleEnd(threshold);
    find("meter-fill").style.width = `${100 * Math.min(1, p / end)}%`;
    find("meter-mark").style.left = `${(100 * threshold) / end}%`;
    find("meter-end").textContent = end < 1 ? `${percent(end)} or more` : percent(end);
    const side = positive ? "At or above" : "Below";
    find("comparison").textContent = `${side} ${percent(threshold)}, the model's threshold, it answers “${label}”.`;
    find("meter").setAttribute("aria-label", `${percent(p)}, threshold ${percent(threshold)}`);
    if (explanation) this.explain(explanation, p, values, NARROWEST * end);
    else this.withoutReasons(`The prediction stands without reasons: ${answer.unexplained}`);
    clearTimeout(this.speaking);
    this.speaking = setTimeout(() => (find("spoken").textContent = `${percent(p)}, ${find("verdict").textContent}`), SPEAK);
    this.answered?.(answer);
  }

  explain({ base, contributions }, p, values, narrowest) {
    find("contributions").hidden = false;
    const scale = Math.max(narrowest, ...Object.values(contributions).map(Math.abs));
    for (const feature of this.columns.features) {
      const part = contributions[feature.name];
      const { value, bar, text } = this.rows.get(feature.name);
      value.textContent = shown(feature, values[feature.name]);
      bar.className = part < 0 ? "bar lowers" : "bar raises";
      bar.style.width = `${(50 * Math.abs(part)) / scale}%`;
      text.textContent = points(part);
    }
    find("base").textContent = percent(base);
    find("sum").textContent = percent(p);
    find("reason").textContent = this.strongest(contributions, base, p);
  }

  /** A sentence on the value that moves the probability most. */
  strongest(contributions, base, p) {
    const [name, part] = Object.entries(contributions).reduce((most, one) => (Math.abs(one[1]) > Math.abs(most[1]) ? one : most));
    const from = `The average of the ${this.columns.subjects} it learned from is ${percent(base)}`;
    if (Math.abs(part) < 0.0005) return `${from}; no value moves it.`;
    return `${from}, this one's is ${percent(p)}. ${title(name)} ${part < 0 ? "lowers" : "raises"} it most.`;
  }

  row(name) {
    const value = make("span", { class: "quiet" });
    const bar = make("div", { class: "bar" });
    const text = make("td", { class: "number" });
    const head = make("th", { scope: "row" }, title(name), " ", value);
    const element = make("tr", {}, head, make("td", { class: "axis", "aria-hidden": "true" }, bar), text);
    return { element, value, bar, text };
  }
}

const shown = (feature, value) => (feature.kind === "number" ? plain(value) : choice(feature, value));

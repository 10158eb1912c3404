// The reasons for a prediction: how much each value raises or lowers it.

import {
  formatPercent,
  formatPoints,
  formatValue,
  make,
  scaleEnd,
  showText,
  toTitle,
} from "./text.js";
import { t } from "./words.js";

// The bars' scale is at least this fraction of the risk scale, so that small contributions
// look small.
const MIN_BAR_SCALE = 0.2;
const NOTICEABLE = 0.0005;

export class Reasons {
  constructor(features) {
    this.features = features;
    this.sentence = make("p", { class: "quiet" });
    this.table = make("table", { class: "contributions", hidden: true });
    this.stability = make("p", { class: "quiet stability", hidden: true });
    this.element = make("div", { class: "reasons" }, this.sentence, this.table, this.stability);
  }

  /** Show `text` in place of the reasons. */
  hide(text) {
    this.table.hidden = true;
    showText(this.stability, "");
    this.sentence.textContent = text;
  }

  /** Show the explanation of a result of `risk.predict` for these values. */
  show(risk, { explanation: { base, contributions }, p, threshold, ...result }, values) {
    const largest = Math.max(...Object.values(contributions).map(Math.abs));
    const scale = Math.max(MIN_BAR_SCALE * scaleEnd(threshold), largest);
    const rows = this.features.map((feature) =>
      makeRow(feature, values[feature.name], contributions[feature.name], scale),
    );
    this.table.replaceChildren(makeHead(), make("tbody", {}, ...rows), makeFoot(base, p));
    this.table.hidden = false;
    this.sentence.textContent = describe(contributions, base, p);
    showText(this.stability, risk.describeStability(result));
  }
}

/** Describe the contribution that changes the probability most. */
function describe(contributions, base, p) {
  const [name, largest] = Object.entries(contributions).reduce((max, entry) =>
    Math.abs(entry[1]) > Math.abs(max[1]) ? entry : max,
  );
  const shown = { base: formatPercent(base), p: formatPercent(p), name: toTitle(name) };
  if (Math.abs(largest) < NOTICEABLE) return t("reasons.none", shown);
  return t(largest < 0 ? "reasons.lowers" : "reasons.raises", shown);
}

function makeHead() {
  const sides = make(
    "th",
    { scope: "col", class: "sides" },
    make("span", {}, t("reasons.side.lowers")),
    make("span", {}, t("reasons.side.raises")),
  );
  const value = make("th", { scope: "col" }, t("reasons.value"));
  const points = make("th", { scope: "col", class: "number" }, t("reasons.points"));
  return make("thead", {}, make("tr", {}, value, sides, points));
}

function makeRow(feature, value, contribution, scale) {
  const bar = make("div", { class: contribution < 0 ? "bar lowers" : "bar raises" });
  bar.style.width = `${(50 * Math.abs(contribution)) / scale}%`;
  const shown = make("span", { class: "quiet" }, formatValue(feature, value));
  return make(
    "tr",
    {},
    make("th", { scope: "row" }, toTitle(feature.name), " ", shown),
    make("td", { class: "axis", "aria-hidden": "true" }, bar),
    make("td", { class: "number" }, formatPoints(contribution)),
  );
}

function makeFoot(base, p) {
  const total = (title, value) =>
    make(
      "tr",
      {},
      make("th", { scope: "row" }, title),
      make("td"),
      make("td", { class: "number" }, formatPercent(value)),
    );
  return make("tfoot", {}, total(t("reasons.average"), base), total(t("reasons.sum"), p));
}

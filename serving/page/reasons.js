// The reasons for a prediction: how much each value raises or lowers it.

import {
  formatLogOdds,
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

// How each scale is shown: formats, the least end of the bars, the least noticeable contribution,
// and words.
const SCALES = {
  probability: {
    format: formatPoints,
    formatTotal: formatPercent,
    minBar: (threshold) => MIN_BAR_SCALE * scaleEnd(threshold),
    noticeable: 0.0005,
    unit: "reasons.points",
    none: "reasons.none",
    lowers: "reasons.lowers",
    raises: "reasons.raises",
  },
  log_odds: {
    format: formatLogOdds,
    formatTotal: formatLogOdds,
    minBar: () => 0.5,
    noticeable: 0.005,
    unit: "reasons.logOdds",
    none: "reasons.logOdds.none",
    lowers: "reasons.logOdds.lowers",
    raises: "reasons.logOdds.raises",
    note: "reasons.logOdds.note",
  },
};
const MAX_ROWS = 10;

const size = (contribution) => Math.abs(contribution);

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

  /**
   * Show the explanation of a result of `risk.predict` for these values, or why there is none. Of
   * many features, only the largest contributions that are noticeable have a row.
   */
  show(risk, result, values) {
    const { explanation, p, threshold, noExplanation } = result;
    if (!explanation) {
      this.hide(t("reasons.unavailable", { reason: noExplanation }));
      return;
    }
    const { base, contributions } = explanation;
    const scale = SCALES[explanation.scale];
    const largest = Math.max(...Object.values(contributions).map(size));
    const end = Math.max(scale.minBar(threshold), largest);
    const add = ({ name }) => contributions[name];
    let shown = this.features;
    if (shown.length > MAX_ROWS) {
      const bySize = (one, other) => size(add(other)) - size(add(one));
      const largestFirst = [...shown].sort(bySize).slice(0, MAX_ROWS);
      const isShown = (feature, index) => !index || size(add(feature)) >= scale.noticeable;
      shown = largestFirst.filter(isShown);
    }
    const rows = shown.map((feature) => {
      const value = make("span", { class: "quiet" }, formatValue(feature, values[feature.name]));
      return makeRow([toTitle(feature.name), " ", value], add(feature), scale, end);
    });
    const others = this.features.filter((feature) => !shown.includes(feature));
    if (others.length) {
      const sum = others.map(add).reduce((total, value) => total + value);
      rows.push(makeRow([t("reasons.others", { count: others.length })], sum, scale, end));
    }
    const total = Object.values(contributions).reduce((sum, value) => sum + value, base);
    const foot = makeFoot(scale, base, explanation.scale === "probability" ? p : total);
    this.table.replaceChildren(makeHead(scale), make("tbody", {}, ...rows), foot);
    this.table.hidden = false;
    this.sentence.textContent = describe(scale, contributions, base, p);
    showText(this.stability, risk.describeStability(result));
  }
}

/** Describe the contribution that changes the prediction most. */
function describe(scale, contributions, base, p) {
  const [name, largest] = Object.entries(contributions).reduce((max, entry) =>
    size(entry[1]) > size(max[1]) ? entry : max,
  );
  const shown = { base: formatPercent(base), p: formatPercent(p), name: toTitle(name) };
  const change = largest < 0 ? scale.lowers : scale.raises;
  const sentence = t(size(largest) < scale.noticeable ? scale.none : change, shown);
  return scale.note ? `${sentence} ${t(scale.note, shown)}` : sentence;
}

function makeHead(scale) {
  const sides = make(
    "th",
    { scope: "col", class: "sides" },
    make("span", {}, t("reasons.side.lowers")),
    make("span", {}, t("reasons.side.raises")),
  );
  const value = make("th", { scope: "col" }, t("reasons.value"));
  const points = make("th", { scope: "col", class: "number" }, t(scale.unit));
  return make("thead", {}, make("tr", {}, value, sides, points));
}

function makeRow(title, contribution, scale, end) {
  const bar = make("div", { class: contribution < 0 ? "bar lowers" : "bar raises" });
  bar.style.width = `${Math.min(50, (50 * size(contribution)) / end)}%`;
  return make(
    "tr",
    {},
    make("th", { scope: "row" }, ...title),
    make("td", { class: "axis", "aria-hidden": "true" }, bar),
    make("td", { class: "number" }, scale.format(contribution)),
  );
}

function makeFoot(scale, base, sum) {
  const total = (title, value) =>
    make(
      "tr",
      {},
      make("th", { scope: "row" }, title),
      make("td"),
      make("td", { class: "number" }, scale.formatTotal(value)),
    );
  return make("tfoot", {}, total(t("reasons.average"), base), total(t("reasons.sum"), sum));
}

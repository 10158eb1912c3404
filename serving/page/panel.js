// The reasons for one row of the list, shown under the row.

import { Problem } from "./api.js";
import { Reasons } from "./reasons.js";
import { formatPercent, make } from "./text.js";
import { t } from "./words.js";

export const PANEL_ID = "why-panel";

/**
 * Make the row of the table that explains `row`. `onTry` puts the row's values into the form,
 * `onClose` closes the panel.
 */
export function makePanel(row, { risk, header, columnCount, onTry, onClose }) {
  const reasons = new Reasons(risk.columns.features);
  reasons.hide(t("panel.loading"));
  const title = t("panel.title", { name: row.name, p: formatPercent(row.p) });
  const details = header.extraNames
    .map((name, index) => [name, header.identity.includes(index) ? "" : row.extra[index]])
    .filter(([, text]) => text !== "")
    .map(([name, text]) => `${name}: ${text}`);
  const warnings = row.isOutside ? describeWarnings(row, risk) : [];
  const panel = make(
    "div",
    { id: PANEL_ID, class: "why-panel", role: "region", "aria-labelledby": "why-title" },
    make("h3", { id: "why-title" }, title),
    ...(details.length ? [make("p", { class: "quiet details" }, details.join(" · "))] : []),
    make("p", {}, risk.describe(row)),
    ...warnings.map((text) => make("p", { class: "warning" }, text)),
    reasons.element,
    make(
      "p",
      { class: "buttons" },
      make("button", { type: "button", class: "primary", click: onTry }, t("panel.try")),
      make("button", { type: "button", click: onClose }, t("panel.close")),
    ),
  );
  explain(row, risk, reasons);
  return make("tr", { class: "why-row" }, make("td", { colspan: columnCount }, panel));
}

/** Describe the values outside the training data, or repeat what the predictor says of them. */
export function describeWarnings(row, risk) {
  const described = risk.describeOutside(row.values);
  return described.length ? described : [row.warning];
}

async function explain(row, risk, reasons) {
  try {
    reasons.show(risk, await risk.predict(row.values), row.values);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    reasons.hide(error.message);
  }
}

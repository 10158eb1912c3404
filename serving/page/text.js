// Formats names and numbers for people, and creates elements.

import { language, t } from "./words.js";

/** Return a function that formats values in the current language with Intl's `options`. */
function formatter(options, Format = Intl.NumberFormat) {
  const formats = new Map();
  return (value) => {
    const tag = language();
    if (!formats.has(tag)) formats.set(tag, new Format(tag, options));
    return formats.get(tag).format(value);
  };
}

const tenths = { minimumFractionDigits: 1, maximumFractionDigits: 1 };
const formatWholePercent = formatter({ style: "percent", maximumFractionDigits: 0 });
const formatPrecisePercent = formatter({ style: "percent", ...tenths });
const hundredths = { minimumFractionDigits: 2, maximumFractionDigits: 2 };
const formatSigned = formatter({ signDisplay: "exceptZero", ...tenths });
const formatSignedPrecise = formatter({ signDisplay: "exceptZero", ...hundredths });
const formatDateTime = formatter({ dateStyle: "medium", timeStyle: "short" }, Intl.DateTimeFormat);

export const formatCount = formatter({ maximumFractionDigits: 0 });
export const formatNumber = formatter({ maximumFractionDigits: 3 });

/** Format a contribution in percentage points: 0.05 is "+5.0". */
export const formatPoints = (value) => formatSigned(100 * value).replace("-", "−");

/** Format log-odds: 0.05 is "+0.05". */
export const formatLogOdds = (value) => formatSignedPrecise(value).replace("-", "−");

/** Format a probability: "0.4%", "7.2%", "34%". Only exact values are shown as 0% or 100%. */
export function formatPercent(p) {
  if (p === 0) return formatWholePercent(p);
  if (p < 0.0005) return `<${formatPrecisePercent(0.001)}`;
  if (p < 0.0995) return formatPrecisePercent(p);
  return p > 0.9949 && p < 1 ? `>${formatWholePercent(0.99)}` : formatWholePercent(p);
}

/** Format a probability as a natural frequency: "1 in 9", "4 in 10". */
export function formatOdds(p) {
  if (p >= 0.3) return t("odds", { part: Math.round(10 * p), whole: 10 });
  return t("odds", { part: 1, whole: Math.min(1000, Math.round(1 / p)) });
}

/** Return the end of the risk scale. A low threshold would be invisible on a scale up to 100 %. */
export const scaleEnd = (threshold) => (threshold >= 0.25 ? 1 : Math.ceil(4 * threshold * 20) / 20);

const ACRONYMS = /\b(api|auc|csv|ece|id|onnx|roc)\b/g;

/** Convert an identifier to a title: "roc_auc_lower" is "ROC AUC lower". */
export function toTitle(name) {
  const text = name.replace(/[_-]+/g, " ").trim();
  const spelled = text.replace(ACRONYMS, (word) => word.toUpperCase());
  return spelled.charAt(0).toUpperCase() + spelled.slice(1);
}

/** Format a time, given as ISO 8601 or Unix seconds, in the local time zone. */
export function formatTime(value) {
  const date = new Date(typeof value === "number" ? 1000 * value : value);
  return Number.isNaN(date.getTime()) ? String(value) : formatDateTime(date);
}

/** Return the title of a category. */
export const categoryTitle = (feature, name) => feature.titles?.[name] ?? toTitle(name);

/** Format a feature's value: a number, the name of a category, or null. */
export function formatValue(feature, value) {
  if (value === null) return t("form.blank");
  return feature.kind === "number" ? formatNumber(value) : categoryTitle(feature, value);
}

export const find = (id) => document.getElementById(id);

/** Create an element. Attributes that are functions become event listeners. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** Show `text` in an element. Hide the element if the text is empty. */
export function showText(element, text) {
  element.textContent = text;
  element.hidden = !text;
}

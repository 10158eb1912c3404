// Formats names and numbers for people, and creates elements.

const formatter = (options) => new Intl.NumberFormat("en", options);
const integer = formatter({ maximumFractionDigits: 0 });
const decimal = formatter({ maximumFractionDigits: 3 });
const wholePercent = formatter({ style: "percent", maximumFractionDigits: 0 });
const precisePercent = formatter({
  style: "percent",
  minimumFractionDigits: 1,
  maximumFractionDigits: 1,
});
const signed = formatter({
  signDisplay: "exceptZero",
  minimumFractionDigits: 1,
  maximumFractionDigits: 1,
});
const dateTime = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "short" });

export const formatCount = (value) => integer.format(value);
export const formatNumber = (value) => decimal.format(value);

/** Format a contribution in percentage points: 0.05 is "+5.0". */
export const formatPoints = (value) => signed.format(100 * value).replace("-", "−");

/** Format a probability: "0.4%", "7.2%", "34%". Only exact values are shown as 0% or 100%. */
export function formatPercent(p) {
  if (p === 0) return wholePercent.format(p);
  if (p < 0.0005) return "<0.1%";
  if (p < 0.0995) return precisePercent.format(p);
  return p > 0.9949 && p < 1 ? ">99%" : wholePercent.format(p);
}

/** Return the end of the risk scale. A low threshold would be invisible on a scale up to 100 %. */
export const scaleEnd = (threshold) => (threshold >= 0.25 ? 1 : Math.ceil(4 * threshold * 20) / 20);

const ACRONYMS = /\b(api|auc|csv|ece|id|onnx|roc)\b/g;

/** Convert an identifier to a title: "roc_auc_lower" is "ROC AUC lower". */
export function toTitle(name) {
  const words = name.replace(/[_-]+/g, " ").trim();
  const text = words.replace(ACRONYMS, (word) => word.toUpperCase());
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Format a time, given as ISO 8601 or Unix seconds, in the local time zone. */
export function formatTime(value) {
  const date = new Date(typeof value === "number" ? 1000 * value : value);
  return Number.isNaN(date.getTime()) ? String(value) : dateTime.format(date);
}

/** Return the name of a category given by its name or its code, or undefined for any other text. */
export function categoryName(feature, text) {
  return Object.keys(feature.codes).find(
    (name) => name === text || (text !== "" && feature.codes[name] === Number(text)),
  );
}

/** Return the title of a category. */
export const categoryTitle = (feature, name) => feature.titles?.[name] ?? toTitle(name);

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

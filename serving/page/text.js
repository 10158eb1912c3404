// How names and numbers read, and how elements are made.

const number = (options) => new Intl.NumberFormat("en", options);
const whole = number({ maximumFractionDigits: 0 });
const fine = number({ maximumFractionDigits: 3 });
const share = number({ style: "percent", maximumFractionDigits: 0 });
const smallShare = number({ style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 });
const signed = number({ signDisplay: "exceptZero", minimumFractionDigits: 1, maximumFractionDigits: 1 });
const moment = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "short" });

export const count = (value) => whole.format(value);
export const plain = (value) => fine.format(value);
export const points = (value) => signed.format(100 * value).replace("-", "−");

/** A probability: "0.4%", "7.2%", "34%"; never a 0 or 100 that it is not. */
export function percent(p) {
  if (p === 0) return share.format(p);
  if (p < 0.0005) return "<0.1%";
  if (p < 0.0995) return smallShare.format(p);
  return p > 0.9949 && p < 1 ? ">99%" : share.format(p);
}

/** Where the scale of a risk ends: a threshold of a few per cent would be lost on one that ends at 100 %. */
export const scaleEnd = (threshold) => (threshold >= 0.25 ? 1 : Math.ceil(4 * threshold * 20) / 20);

const CAPITALS = /\b(api|auc|csv|ece|id|onnx|roc)\b/g;

/** A name as people read it: "roc_auc_lower" is "ROC AUC lower". */
export function title(name) {
  const words = name.replace(/[_-]+/g, " ").trim().replace(CAPITALS, (word) => word.toUpperCase());
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** A time as ISO 8601 or Unix seconds, in the reader's own time zone. */
export function time(value) {
  const date = new Date(typeof value === "number" ? 1000 * value : value);
  return Number.isNaN(date.getTime()) ? String(value) : moment.format(date);
}

/** The name of a category that is written by name or by the survey's code; undefined if it is neither. */
export function nameOf(feature, written) {
  return Object.keys(feature.codes).find((name) => name === written || (written !== "" && feature.codes[name] === Number(written)));
}

/** A category's name as people read it. */
export const choice = (feature, name) => feature.titles?.[name] ?? title(name);

export const find = (id) => document.getElementById(id);

/** An element with attributes and children (nodes or text). Handlers are attributes that are functions. */
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

/** Shows `text` in an element, or hides the element when there is none. */
export function tell(element, text) {
  element.textContent = text;
  element.hidden = !text;
}

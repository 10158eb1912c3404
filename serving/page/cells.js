// Reads cells by the data dictionary, by the same rules as serving/csv_scoring.py.

import { isBetween, parseDay, readTime } from "./dates.js";
import { categoryTitle, formatValue, toTitle } from "./text.js";
import { joinAlternatives, t } from "./words.js";

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const OTHER = "other"; // category of unknown values
const THOUSANDS = /,\d{3}$/;
const MAX_QUOTED_LENGTH = 50; // characters of a cell that its error repeats
const MAX_DESCRIBED = 2; // invalid cells of a row that its error describes

/** Make names equal that differ only in case, spaces, hyphens, underscores or the apostrophe. */
export const normalize = (name) =>
  name.replace(/’/g, "'").replace(/[\s_-]+/g, " ").trim().toLowerCase();

/**
 * Return the value in a cell, a number or a category's name; null if it is blank and may be, and
 * undefined if it is invalid. `end` is the cell with the date until which the feature is measured.
 * Numbers may have a decimal comma; in a file with commas between the columns, three digits after
 * a comma may be thousands, and are refused.
 */
export function readCell(feature, text, hasCommas = false, end = undefined) {
  const cells = [text.trim(), end?.trim()];
  const [cell] = cells;
  const value = readValue(feature, cells, readNumber(cell, hasCommas));
  if (value !== undefined) return value;
  if (isBlank(feature, cells)) return null;
  return feature.unknown === OTHER && cell ? categoryName(feature, OTHER) : undefined;
}

function readValue(feature, cells, number) {
  if (feature.kind !== "number") {
    return categoryName(feature, cells[0]) ?? categoryOfCode(feature, number);
  }
  const given = number ?? readTime(feature, ...cells);
  return isValid(feature, given) ? given : undefined;
}

/** Whether a feature may be blank and is: of two dates, one may be known. */
function isBlank({ blanks = [], date_format: format }, [cell, end]) {
  const isEmpty = (text) => blanks.includes(text.toLowerCase());
  if (end === undefined) return isEmpty(cell);
  const isDate = (text) => parseDay(text, format) !== undefined;
  return (isEmpty(cell) && (isEmpty(end) || isDate(end))) || (isDate(cell) && isEmpty(end));
}

function readNumber(cell, hasCommas) {
  const text = hasCommas && THOUSANDS.test(cell) ? cell : cell.replace(",", ".");
  return NUMBER.test(text) ? Number(text) : undefined;
}

/** Whether a number is one that the feature accepts. */
export function isValid({ low, high, step }, number) {
  const isWhole = Number.isInteger(step);
  return number >= low && number <= high && (!isWhole || number % step === 0);
}

/** Return the category with this name or title. */
function categoryName(feature, text) {
  const wanted = normalize(text);
  return Object.keys(feature.codes).find((name) =>
    [name, categoryTitle(feature, name)].some((spelling) => normalize(spelling) === wanted),
  );
}

const categoryOfCode = (feature, code) =>
  Object.keys(feature.codes).find((name) => feature.codes[name] === code);

/** Describe what a feature accepts: "a whole number from 15 to 100". */
export function describeAccepted(feature) {
  const { raw: start, until: end } = feature;
  return t(ruleOf(feature, "allowed"), { ...limitsOf(feature), start, end });
}

/** Say what is wrong with a value, or two dates, of the feature that is called `name`. */
export function describeInvalid(feature, value, name, end = "") {
  const text = [value ?? "", end].join(" ").trim();
  if (text === "") return t("invalid.missing", { name });
  const shown = text.slice(0, MAX_QUOTED_LENGTH);
  return t(ruleOf(feature, "invalid"), { ...limitsOf(feature), name, value: shown });
}

function ruleOf(feature, group) {
  if (feature.kind !== "number") return `${group}.category`;
  if (feature.until) return isBetween(feature) ? `${group}.dates` : `${group}.date`;
  return Number.isInteger(feature.step) ? `${group}.whole` : `${group}.number`;
}

function limitsOf(feature) {
  if (feature.kind === "number") return { low: String(feature.low), high: String(feature.high) };
  const titles = Object.keys(feature.codes).map((name) => categoryTitle(feature, name));
  return { choices: joinAlternatives(titles) };
}

/** Say what is wrong with a row, given its invalid cells as [feature, text, end]. */
export function describeRow(invalid) {
  const described = invalid
    .slice(0, MAX_DESCRIBED)
    .map(([feature, text, end]) => describeInvalid(feature, text, feature.name, end));
  const names = invalid.slice(MAX_DESCRIBED).map(([{ name }]) => name);
  if (names.length) described.push(t("invalid.more", { names: names.join(", ") }));
  return described.join("; ");
}

/**
 * Whether the model learned from no such value. `learned` is the feature's entry in GET /model, and
 * `learnedBlanks` its names of features with blanks.
 */
export function isOutside(feature, value, learned, learnedBlanks) {
  if (!learned) return false;
  if (value === null) return !learnedBlanks.includes(feature.name);
  if (feature.kind !== "number") return !learned.includes(value);
  return value < learned[0] || value > learned[1];
}

/** Say that the model learned from no such value. */
export function describeOutside(feature, value, learned) {
  const name = toTitle(feature.name);
  if (value === null) return t("outside.blank", { name });
  const shown = formatValue(feature, value);
  if (feature.kind !== "number") {
    const titles = learned.map((category) => categoryTitle(feature, category));
    return t("outside.category", { name, value: shown, choices: joinAlternatives(titles) });
  }
  const [low, high] = learned.map((limit) => formatValue(feature, limit));
  return t("outside.number", { name, value: shown, low, high });
}

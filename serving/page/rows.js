// Turns the rows of a file into rows of the list, by the file's header.

import { Problem } from "./api.js";
import { describeRow, normalize, readCell } from "./cells.js";
import { isBetween } from "./dates.js";
import { toTitle } from "./text.js";
import { t } from "./words.js";

/** Columns that the page or the API added to a list, which may be read again. */
const ADDED = ["rank", "label", "warning", "error"];
/** A list with these columns and a probability was made by the page or the API. */
const MARKS = ["label", "error"];
/** Column of the template that describes the others. */
export const HELP = "help";

const NAME = /name|nombre|apellido|nom\b|prénom/i; // titles of columns that name a person
const IDENTIFIER = /\b(id|key|code|no|nr|num|number|nummer|número|numéro|matr[ií]\w*|email)\b/i;
const MAX_NAMES = 2;

/** Names under which a feature's column is found. */
const spellings = ({ name, raw }) => [name, raw, toTitle(name)];

export const knownNames = ({ features }) => features.flatMap(spellings);

export class Header {
  /** Find each feature's column. `cells` are the names of the file's columns, `rows` the others. */
  constructor(columns, cells, rows) {
    this.features = columns.features;
    const names = cells.map(normalize);
    this.indices = this.features.map((feature) => findColumn(feature, names));
    this.ends = this.features.map((feature, index) =>
      findEnd(feature, cells, this.indices[index]),
    );
    this.requireAll(cells);
    const probabilities = columns.probability_fields.map(normalize);
    const isOurs =
      MARKS.every((name) => names.includes(name)) &&
      probabilities.some((name) => names.includes(name));
    const added = [...ADDED, ...probabilities];
    const isKept = (index) =>
      !this.indices.includes(index) &&
      names[index] !== HELP &&
      !(isOurs && added.includes(names[index]));
    this.extra = cells.map((_, index) => index).filter(isKept);
    this.extraNames = this.extra.map((index) => cells[index]);
    this.width = cells.length;
    this.identity = findIdentity(
      this.extra.map((place) => [cells[place], rows.map((row) => row.cells[place] ?? "")]),
      columns,
    );
  }

  requireAll(cells) {
    const missing = this.features.filter((_, index) => this.indices[index] === undefined);
    if (!missing.length) return;
    const names = missing.map(({ name, raw }) => `“${name}” (“${raw}”)`).join(", ");
    const header = cells.join(", ").slice(0, 300);
    const errors = missing.map(({ name }) => ({ field: name }));
    const text = t("header.missing", { count: missing.length, names, header });
    throw new Problem(text, { kind: "missing", errors });
  }

  /** Read a row: `values` by feature if it is valid, else `error`. */
  read({ line, cells, isUnclosed }, index, hasCommas) {
    const texts = this.indices.map((place) => cells[place] ?? "");
    const ends = this.ends.map((place) => (place === undefined ? place : (cells[place] ?? "")));
    const extra = this.extra.map((place) => cells[place] ?? "");
    const row = { index, line, extra, ends, name: this.nameRow(extra, line) };
    fillRow(row, this.features, texts, hasCommas);
    const { length } = cells;
    if (!isUnclosed && length === this.width) return row;
    const sizes = { cells: length, columns: this.width };
    const describe = () => (isUnclosed ? t("invalid.quote") : t("invalid.width", sizes));
    return Object.assign(row, { invalid: [], describe, error: describe() });
  }

  /** Name a row by up to two columns, or by its line. */
  nameRow(extra, line) {
    const names = this.identity.map((index) => extra[index]).filter((text) => text !== "");
    return names.join(", ") || t("list.line", { line });
  }
}

/**
 * Read the cells of a row, of which `row.ends` has the second dates. Keep the text of each, and its
 * value unless it is invalid. `describe` returns the row's `error` in the current language.
 */
export function fillRow(row, features, texts, hasCommas = false) {
  const { ends } = row;
  const read = features.map((feature, index) =>
    readCell(feature, texts[index], hasCommas, ends[index]),
  );
  const invalid = features.flatMap((feature, index) =>
    read[index] === undefined ? [[feature, texts[index], ends[index]]] : [],
  );
  const isHalfKnown = (index) => read[index] === null && ends[index] !== undefined;
  const cells = read.map((value, index) => (isHalfKnown(index) ? "" : (value ?? texts[index])));
  const values = Object.fromEntries(features.map(({ name }, index) => [name, read[index]]));
  const describe = () => describeRow(invalid);
  return Object.assign(row, { cells, values, invalid, describe, error: describe() });
}

function findColumn(feature, names) {
  const wanted = spellings(feature).map(normalize);
  const found = names.flatMap((name, index) => (wanted.includes(name) ? [index] : []));
  if (found.length > 1) {
    const errors = [{ field: feature.name }];
    throw new Problem(t("header.twice", { name: feature.name }), { kind: "repeated", errors });
  }
  return found[0];
}

/** Return the column of the dates until which a feature is measured, if the file has dates. */
function findEnd(feature, cells, place) {
  const headers = cells.map((cell) => cell.trim());
  if (!isBetween(feature) || headers[place] !== feature.raw) return undefined;
  const end = headers.indexOf(feature.until);
  return end < 0 ? undefined : end;
}

/**
 * Return which of the other columns name a row: the key of the table and those with names, else
 * those that identify the rows. `others` are [header, cells].
 */
function findIdentity(others, { key, subject }) {
  const find = (test) => others.flatMap((column, index) => (test(...column) ? [index] : []));
  const includes = (names, name) => names.map(normalize).includes(normalize(name));
  const known = find((name) => includes(key, name));
  const named = find((name) => NAME.test(name) || includes([subject], name));
  const found = [...new Set([...known, ...named])];
  if (!found.length) found.push(...find(identifies));
  return found.slice(0, MAX_NAMES).sort((a, b) => a - b);
}

/** Whether all cells of a column differ, and its header or the texts look like an identifier. */
function identifies(name, cells) {
  if (new Set(cells).size !== cells.length) return false;
  const words = name.replace(/(?<=[a-z])(?=[A-Z])/g, " ").replace(/[_-]+/g, " ");
  return IDENTIFIER.test(words) || cells.every((cell) => /\p{L}/u.test(cell));
}

/**
 * Read the rows of a table by its first one. Each row that is not valid has an `error`.
 */
export function readList(columns, { rows: [first, ...others], hasCommas }, name) {
  if (!first) throw new Problem(t("file.empty", { name }), { kind: "empty" });
  const header = new Header(columns, first.cells, others);
  return { header, rows: others.map((row, index) => header.read(row, index, hasCommas)) };
}

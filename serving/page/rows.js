// Turns the rows of a file into rows of the list, by the file's header.

import { Problem } from "./api.js";
import { describeRow, normalize, readCell } from "./cells.js";
import { toTitle } from "./text.js";
import { t } from "./words.js";

/** Columns that the page or the API added to a list, which may be read again. */
const ADDED = ["rank", "label", "warning", "error"];
/** A list with these columns and a probability was made by the page or the API. */
const MARKS = ["label", "error"];
/** Column of the template that describes the others. */
export const HELP = "help";

const NAME = /name|nombre|apellido|nom\b|prénom/i; // titles of columns that name a person
const MAX_NAMES = 2;

/** Names under which a feature's column is found. */
const spellings = ({ name, raw }) => [name, raw, toTitle(name)];

export const knownNames = ({ features }) => features.flatMap(spellings);

export class Header {
  /** Find each feature's column. `cells` are the names of the file's columns. */
  constructor(columns, cells) {
    this.features = columns.features;
    const names = cells.map(normalize);
    this.indices = this.features.map((feature) => findColumn(feature, names));
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
    this.identity = findIdentity(this.extraNames, columns.key.map(normalize));
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
    const extra = this.extra.map((place) => cells[place] ?? "");
    const row = { index, line, extra, name: this.nameRow(extra, line) };
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
 * Read the cells of a row. Keep the text of each, and its value unless it is invalid. `describe`
 * returns the row's `error` in the current language.
 */
export function fillRow(row, features, texts, hasCommas = false) {
  const read = features.map((feature, index) => readCell(feature, texts[index], hasCommas));
  const invalid = features.flatMap((feature, index) =>
    read[index] === undefined ? [[feature, texts[index]]] : [],
  );
  const cells = read.map((value, index) => value ?? texts[index]);
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

/**
 * Return the columns that name a row: the key of the table, those with names, then the first ones
 * of the file.
 */
function findIdentity(extraNames, key) {
  const all = extraNames.map((_, index) => index);
  const known = all.filter((index) => key.includes(normalize(extraNames[index])));
  const named = all.filter((index) => NAME.test(extraNames[index]));
  return [...new Set([...known, ...named, ...all])].slice(0, MAX_NAMES).sort((a, b) => a - b);
}

/**
 * Read the rows of a table by its first one. Each row that is not valid has an `error`.
 */
export function readList(columns, { rows: [first, ...others], hasCommas }, name) {
  if (!first) throw new Problem(t("file.empty", { name }), { kind: "empty" });
  const header = new Header(columns, first.cells);
  return { header, rows: others.map((row, index) => header.read(row, index, hasCommas)) };
}

// The ranked table: sorted by a click on a column's head, drawn a page at a time, saved as CSV.

import { PROBABILITY } from "./api.js";
import { line } from "./csv.js";
import { choice, count, find, make, nameOf, percent, title } from "./text.js";

const PAGE = 50;

export class Ranking {
  constructor(columns, inspect) {
    this.columns = columns;
    this.inspect = inspect;
    this.end = 1; // of the risk's scale
    find("only").addEventListener("change", () => this.draw(PAGE));
    find("more").addEventListener("click", () => this.draw(this.size + PAGE));
  }

  /** Shows rows of {index, extra, values, p, label, error}; `extra` are the heads of the columns that the model does not know. */
  show(extra, rows) {
    this.extra = extra;
    this.rows = rows;
    this.unread = rows.filter(({ error }) => error);
    this.ranked = rows.filter(({ error }) => !error).sort((a, b) => b.p - a.p || a.index - b.index);
    this.ranked.forEach((row, index) => (row.rank = index + 1));
    this.sorted = this.ranked;
    this.atRisk = this.ranked.filter((row) => this.positive(row)).length;
    this.heads = this.columnsOf();
    this.by = this.heads[0];
    this.down = false;
    find("only").checked = false;
    this.draw(PAGE);
  }

  positive({ label }) {
    return label === this.columns.label.positive;
  }

  /** The table's columns: how each is headed, sorted by, and shown. */
  columnsOf() {
    return [
      { head: "Rank", number: true, key: ({ rank }) => rank, cell: ({ rank }) => count(rank) },
      { head: `${title(this.columns.label.name)} probability`, number: true, key: ({ p }) => p, cell: (row) => this.risk(row) },
      ...this.extra.map((head, index) => ({ head, key: ({ extra }) => comparable(extra[index]), cell: ({ extra }) => extra[index] })),
      ...this.columns.features.map((feature, index) => ({
        head: title(feature.name),
        number: feature.kind === "number",
        key: ({ values }) => comparable(values[index]),
        cell: ({ values }) => shown(feature, values[index]),
      })),
    ];
  }

  risk(row) {
    const bar = make("span", { class: "risk-bar", "aria-hidden": "true" }, make("span"));
    bar.firstChild.style.width = `${100 * Math.min(1, row.p / this.end)}%`;
    const mark = this.positive(row) ? make("span", { class: "flag" }, "at risk") : "";
    return make("span", { class: "risk-cell" }, make("span", { class: "risk-number" }, percent(row.p)), bar, mark);
  }

  sort(by) {
    this.down = by === this.by ? !this.down : by === this.heads[1]; // the highest probability first, all else from the lowest
    this.by = by;
    const sign = this.down ? -1 : 1;
    this.sorted = this.ranked.toSorted((a, b) => sign * compare(by.key(a), by.key(b)) || a.rank - b.rank);
    this.draw(PAGE);
  }

  draw(size) {
    const rows = find("only").checked ? this.sorted.filter((row) => this.positive(row)) : this.sorted;
    const focused = this.heads.findIndex((_, index) => document.activeElement?.id === `sort-${index}`);
    this.size = Math.min(size, rows.length);
    const body = make("tbody", {}, ...rows.slice(0, this.size).map((row) => this.row(row)));
    find("ranking").replaceChildren(make("thead", {}, make("tr", {}, ...this.heads.map((head, index) => this.head(head, index)), make("th", { scope: "col" }, "Why"))), body);
    find(`sort-${focused}`)?.focus();
    find("shown").textContent = rows.length === this.size ? `${count(rows.length)} shown` : `${count(this.size)} of ${count(rows.length)} shown`;
    find("more").hidden = rows.length === this.size;
  }

  head(column, index) {
    const order = column === this.by ? (this.down ? "descending" : "ascending") : undefined;
    const button = make("button", { type: "button", id: `sort-${index}`, title: column.head, click: () => this.sort(column) }, column.head);
    return make("th", { scope: "col", class: column.number && "number", "aria-sort": order }, button);
  }

  row(row) {
    const who = row.extra[0] || `row ${count(row.index + 1)}`;
    const why = make("button", { type: "button", "aria-label": `Why: ${who}`, click: () => this.inspect(row.values) }, "Why");
    const cells = this.heads.map(({ number, cell }) => make("td", { class: number && "number" }, cell(row)));
    return make("tr", { class: this.positive(row) && "high" }, ...cells, make("td", {}, why));
  }

  /** The whole list as lines of CSV, by rank; rows that could not be read come last, with the reason. */
  *lines() {
    const { features, label } = this.columns;
    yield line(["rank", ...this.extra, ...features.map(({ name }) => name), PROBABILITY, label.name, "error"]);
    for (const { rank, extra, values, p, label: answer } of this.ranked) yield line([rank, ...extra, ...values, p, answer, ""]);
    for (const { extra, values, error } of this.unread) yield line(["", ...extra, ...values, "", "", error]);
  }
}

/** Numbers sort as numbers, all else as text. */
function comparable(text) {
  const value = Number(text);
  return text === "" || Number.isNaN(value) ? text : value;
}

function compare(a, b) {
  if (typeof a === typeof b) return typeof a === "number" ? a - b : a.localeCompare(b);
  return typeof a === "number" ? -1 : 1;
}

/** A cell of the model's columns: categories by name, whether the file held the name or the code. */
function shown(feature, text) {
  if (feature.kind === "number") return text;
  const name = nameOf(feature, text);
  return name ? choice(feature, name) : text;
}

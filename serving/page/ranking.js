// The table of a ranked list: sortable by column, shown in pages, saved as CSV.

import { PROBABILITY } from "./api.js";
import { formatLine } from "./csv.js";
import {
  categoryName,
  categoryTitle,
  find,
  formatCount,
  formatPercent,
  make,
  toTitle,
} from "./text.js";

const PAGE_ROWS = 50;

export class Ranking {
  /** `inspect` is called with the values of the row whose reasons are requested. */
  constructor(columns, inspect) {
    this.columns = columns;
    this.inspect = inspect;
    this.scaleEnd = 1; // end of the risk bars' scale
    find("only").addEventListener("change", () => this.render(PAGE_ROWS));
    find("more").addEventListener("click", () => this.render(this.shownRows + PAGE_ROWS));
  }

  /**
   * Rank rows of {index, extra, values, p, label, error} and show them.
   * `extraNames` are the names of the columns that the model does not use.
   */
  show(extraNames, rows) {
    this.extraNames = extraNames;
    this.rows = rows;
    this.invalid = rows.filter(({ error }) => error);
    this.ranked = rows.filter(({ error }) => !error).sort((a, b) => b.p - a.p || a.index - b.index);
    this.ranked.forEach((row, index) => (row.rank = index + 1));
    this.sorted = this.ranked;
    this.atRisk = this.ranked.filter((row) => this.isPositive(row)).length;
    this.tableColumns = this.makeColumns();
    this.sortColumn = this.tableColumns[0];
    this.descending = false;
    find("only").checked = false;
    this.render(PAGE_ROWS);
  }

  isPositive({ label }) {
    return label === this.columns.label.positive;
  }

  /** Return the columns of the table: title, sort key and content of the cells. */
  makeColumns() {
    return [
      {
        title: "Rank",
        isNumber: true,
        key: ({ rank }) => rank,
        content: ({ rank }) => formatCount(rank),
      },
      {
        title: `${toTitle(this.columns.label.name)} probability`,
        isNumber: true,
        key: ({ p }) => p,
        content: (row) => this.makeRisk(row),
      },
      ...this.extraNames.map((title, index) => ({
        title,
        key: ({ extra }) => toSortKey(extra[index]),
        content: ({ extra }) => extra[index],
      })),
      ...this.columns.features.map((feature, index) => ({
        title: toTitle(feature.name),
        isNumber: feature.kind === "number",
        key: ({ values }) => toSortKey(values[index]),
        content: ({ values }) => formatValue(feature, values[index]),
      })),
    ];
  }

  makeRisk(row) {
    const bar = make("span", { class: "risk-bar", "aria-hidden": "true" }, make("span"));
    bar.firstChild.style.width = `${100 * Math.min(1, row.p / this.scaleEnd)}%`;
    const number = make("span", { class: "risk-number" }, formatPercent(row.p));
    const flag = this.isPositive(row) ? make("span", { class: "flag" }, "at risk") : "";
    return make("span", { class: "risk-cell" }, number, bar, flag);
  }

  /** Sort by a column, or reverse the order if the table is sorted by it already. */
  sort(column) {
    // The probability starts with the highest value, all other columns with the lowest.
    const isProbability = column === this.tableColumns[1];
    this.descending = column === this.sortColumn ? !this.descending : isProbability;
    this.sortColumn = column;
    const sign = this.descending ? -1 : 1;
    this.sorted = this.ranked.toSorted(
      (a, b) => sign * compare(column.key(a), column.key(b)) || a.rank - b.rank,
    );
    this.render(PAGE_ROWS);
  }

  render(rowCount) {
    const rows = find("only").checked
      ? this.sorted.filter((row) => this.isPositive(row))
      : this.sorted;
    this.shownRows = Math.min(rowCount, rows.length);
    const focused = document.activeElement?.id;
    const heads = this.tableColumns.map((column, index) => this.makeHead(column, index));
    const reasons = make("th", { scope: "col" }, "Why");
    find("ranking").replaceChildren(
      make("thead", {}, make("tr", {}, ...heads, reasons)),
      make("tbody", {}, ...rows.slice(0, this.shownRows).map((row) => this.makeRow(row))),
    );
    if (focused?.startsWith("sort-")) find(focused)?.focus();
    const isComplete = this.shownRows === rows.length;
    const total = formatCount(rows.length);
    find("shown").textContent = isComplete
      ? `${total} shown`
      : `${formatCount(this.shownRows)} of ${total} shown`;
    find("more").hidden = isComplete;
  }

  makeHead(column, index) {
    const { title, isNumber } = column;
    const id = `sort-${index}`;
    const attributes = { id, type: "button", title, click: () => this.sort(column) };
    const direction = this.descending ? "descending" : "ascending";
    const order = column === this.sortColumn ? direction : undefined;
    return make(
      "th",
      { scope: "col", class: isNumber && "number", "aria-sort": order },
      make("button", attributes, title),
    );
  }

  makeRow(row) {
    const name = row.extra[0] || `row ${formatCount(row.index + 1)}`;
    const click = () => this.inspect(row.values);
    const why = make("button", { type: "button", "aria-label": `Why: ${name}`, click }, "Why");
    const cells = this.tableColumns.map(({ isNumber, content }) =>
      make("td", { class: isNumber && "number" }, content(row)),
    );
    return make("tr", { class: this.isPositive(row) && "high" }, ...cells, make("td", {}, why));
  }

  /** Yield the whole list as CSV, sorted by rank. Invalid rows come last, with their error. */
  *lines() {
    const { features, label } = this.columns;
    const names = features.map(({ name }) => name);
    yield formatLine(["rank", ...this.extraNames, ...names, PROBABILITY, label.name, "error"]);
    for (const row of this.ranked) {
      yield formatLine([row.rank, ...row.extra, ...row.values, row.p, row.label, ""]);
    }
    for (const { extra, values, error } of this.invalid) {
      yield formatLine(["", ...extra, ...values, "", "", error]);
    }
  }
}

/** Return a number if the text is one, so that numbers sort by value. */
function toSortKey(text) {
  const value = Number(text);
  return text === "" || Number.isNaN(value) ? text : value;
}

function compare(a, b) {
  if (typeof a === typeof b) return typeof a === "number" ? a - b : a.localeCompare(b);
  return typeof a === "number" ? -1 : 1;
}

/** Format the cell of a feature: a category by its title, even if the file has its code. */
function formatValue(feature, text) {
  if (feature.kind === "number") return text;
  const name = categoryName(feature, text);
  return name ? categoryTitle(feature, name) : text;
}

// The table of a ranked list: sortable by column, shown in pages, saved as CSV.

import { PROBABILITY } from "./api.js";
import { formatLine } from "./csv.js";
import { PANEL_ID, describeWarnings, makePanel } from "./panel.js";
import { MANY, sortByImportance } from "./sections.js";
import { find, formatCount, formatPercent, formatValue, make, toTitle } from "./text.js";
import { t } from "./words.js";

const PAGE_ROWS = 50;
const MAX_FEATURES = 6; // columns of features in the table of a long form
const collator = new Intl.Collator(undefined, { numeric: true }); // "S9" comes before "S10"
const STEPS = { ArrowUp: -1, ArrowDown: 1 };

export class Ranking {
  /** `inspect` is called with the row that is put into the form, and the way back. */
  constructor(risk, inspect) {
    this.risk = risk;
    this.inspect = inspect;
    find("only").addEventListener("change", () => this.choose());
    find("wide").addEventListener("change", () => this.refresh());
    find("more").addEventListener("click", () => this.render(this.shownRows + PAGE_ROWS));
    find("ranking").addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.opened) this.close();
      if (event.key in STEPS && event.target.matches(".why > button")) this.step(event);
    });
  }

  /** Move the focus from one row's `Why` to that of the row above or below. */
  step(event) {
    event.preventDefault(); // the page would scroll
    const buttons = [...find("ranking").querySelectorAll(".why > button")];
    buttons[buttons.indexOf(event.target) + STEPS[event.key]]?.focus();
  }

  /** Rank rows of {extra, values, p, label, error} and show them. `header` is their Header. */
  show(header, rows) {
    this.header = header;
    this.rows = rows;
    this.opened = undefined;
    this.sortKey = "rank";
    this.descending = false;
    find("only").checked = false;
    this.refresh();
  }

  /** Rank the rows again, because some of them changed, or the words did. */
  refresh() {
    this.invalid = this.rows.filter(({ error }) => error);
    this.ranked = this.rows
      .filter(({ error }) => !error)
      .sort((a, b) => b.p - a.p || a.index - b.index);
    this.ranked.forEach((row, index) => (row.rank = index + 1));
    this.marked = this.ranked.filter((row) => this.risk.isMarked(row));
    this.tableColumns = this.makeColumns();
    this.opened = this.panel = undefined;
    this.choose();
  }

  /** Return the columns of the table: id, title, class, sort key and content of the cells. */
  makeColumns() {
    const { extraNames, identity } = this.header;
    const { features } = this.risk.columns;
    const others = extraNames.map((_, index) => index).filter((index) => !identity.includes(index));
    return [
      column("rank", t("list.rank"), "rank number", getRank, (row) => formatCount(row.rank)),
      column("name", t("list.name"), "name", ({ name }) => toSortKey(name), makeName),
      column("risk", t("list.risk"), "risk", ({ p }) => p, (row) => this.makeRisk(row)),
      column("why", t("list.why"), "why", undefined, (row) => this.makeWhy(row)),
      ...others.map((index) =>
        column(
          `extra-${index}`,
          extraNames[index],
          "fold",
          ({ extra }) => toSortKey(extra[index]),
          ({ extra }) => extra[index],
        ),
      ),
      ...this.chooseFeatures(features).map((feature) =>
        column(
          `value-${feature.name}`,
          toTitle(feature.name),
          feature.kind === "number" ? "fold number" : "fold",
          ({ values }) => values[feature.name] ?? (feature.kind === "number" ? -Infinity : ""),
          ({ values }) => formatValue(feature, values[feature.name]),
        ),
      ),
    ];
  }

  /** Return the features with a column: of many, the most important ones unless all are wanted. */
  chooseFeatures(features) {
    if (features.length <= MANY) return features;
    const sorted = sortByImportance(features, this.risk.facts.importance ?? {});
    return find("wide").checked ? sorted : sorted.slice(0, MAX_FEATURES);
  }

  makeRisk(row) {
    const bar = make("span", { class: "risk-bar", "aria-hidden": "true" }, make("span"));
    bar.firstChild.style.width = `${(100 * row.p) / this.ranked[0].p}%`;
    const number = make("span", { class: "risk-number" }, formatPercent(row.p));
    const flags = [
      ...(this.risk.isMarked(row) ? [make("span", { class: "flag" }, this.risk.mark)] : []),
      ...(row.isOutside ? [make("span", { class: "flag outside" }, t("outside.flag"))] : []),
    ];
    return make("div", { class: "risk-cell" }, number, bar, ...flags);
  }

  makeWhy(row) {
    const attributes = {
      type: "button",
      id: `why-${row.index}`,
      "aria-label": t("list.whyOf", { name: row.name }),
      "aria-expanded": String(row === this.opened),
      "aria-controls": row === this.opened && PANEL_ID,
      click: () => (row === this.opened ? this.close() : this.open(row)),
    };
    return make("button", attributes, t("list.why"));
  }

  /** Open the reasons under a row. */
  open(row) {
    this.opened = row;
    this.panel = makePanel(row, {
      risk: this.risk,
      header: this.header,
      columnCount: this.tableColumns.length,
      onTry: () => this.inspect(row, () => this.focusRow(row)),
      onClose: () => this.close(),
    });
    this.render(this.shownRows);
    this.focusRow(row, "nearest");
    this.panel.scrollIntoView({ block: "nearest" });
  }

  close() {
    const row = this.opened;
    this.opened = this.panel = undefined;
    this.render(this.shownRows);
    this.focusRow(row, "nearest");
  }

  focusRow(row, block = "center") {
    const button = find(`why-${row.index}`);
    button?.focus({ preventScroll: true });
    button?.scrollIntoView({ block });
  }

  /** Sort by a column, or reverse the order if the table is sorted by it already. */
  sort({ id }) {
    // The risk starts with the highest value, all other columns with the lowest.
    this.descending = id === this.sortKey ? !this.descending : id === "risk";
    this.sortKey = id;
    this.choose();
  }

  /** Filter and sort the rows as the visitor chose, and show the first ones. */
  choose() {
    const isSorted = this.tableColumns.some(({ id }) => id === this.sortKey);
    if (!isSorted) this.sortKey = "rank"; // its column is hidden now
    const { key } = this.tableColumns.find(({ id }) => id === this.sortKey);
    const sign = this.descending ? -1 : 1;
    const rows = find("only").checked ? this.marked : this.ranked;
    this.chosen = rows.toSorted((a, b) => sign * compare(key(a), key(b)) || a.rank - b.rank);
    this.render(PAGE_ROWS);
  }

  render(rowCount) {
    const rows = this.chosen;
    this.shownRows = Math.min(rowCount, rows.length);
    const focused = document.activeElement?.id;
    find("ranking").replaceChildren(
      make("thead", {}, make("tr", {}, ...this.tableColumns.map((head) => this.makeHead(head)))),
      make("tbody", {}, ...rows.slice(0, this.shownRows).flatMap((row) => this.makeRow(row))),
    );
    if (focused?.startsWith("sort-")) find(focused)?.focus();
    const isComplete = this.shownRows === rows.length;
    find("shown").textContent = isComplete
      ? t("list.shown", { total: rows.length })
      : t("list.shownPart", { shown: this.shownRows, total: rows.length });
    find("more").hidden = isComplete;
    find("scale").textContent = this.ranked.length ? this.describeScale() : "";
  }

  describeScale() {
    const { highRisk, averageRisk } = this.risk;
    const [highest, high, average] = [this.ranked[0].p, highRisk, averageRisk].map(formatPercent);
    return `${t("list.scale", { highest })} ${t("list.red", { high, average })}`;
  }

  makeHead(head) {
    const { id, title, style, key } = head;
    if (!key) return make("th", { scope: "col", class: style }, title);
    const direction = this.descending ? "descending" : "ascending";
    const order = id === this.sortKey ? direction : undefined;
    const click = () => this.sort(head);
    return make(
      "th",
      { scope: "col", class: style, "aria-sort": order },
      make("button", { id: `sort-${id}`, type: "button", title, click }, title),
    );
  }

  makeRow(row) {
    const cells = this.tableColumns.map(({ style, content }) =>
      make("td", { class: style }, content(row)),
    );
    const element = make("tr", { class: this.risk.toneOf(row) }, ...cells);
    return row === this.opened ? [element, this.panel] : [element];
  }

  /** Yield the chosen rows as CSV. Without a filter, invalid rows come last, with their error. */
  *lines() {
    const names = this.risk.columns.features.map(({ name }) => name);
    const added = ["label", PROBABILITY, "warning", "error"];
    yield formatLine(["rank", ...this.header.extraNames, ...names, ...added]);
    for (const row of this.chosen) {
      const warning = row.isOutside ? describeWarnings(row, this.risk).join("; ") : "";
      yield formatLine([row.rank, ...row.extra, ...row.cells, row.label, row.p, warning, ""]);
    }
    if (find("only").checked) return;
    for (const { extra, cells, error } of this.invalid) {
      yield formatLine(["", ...extra, ...cells, "", "", "", error]);
    }
  }
}

const column = (id, title, style, key, content) => ({ id, title, style, key, content });

const getRank = ({ rank }) => rank;

const makeName = ({ name }) => make("span", { title: name }, name);

/** Return a number if the text is one, so that numbers sort by value. */
function toSortKey(text) {
  const value = Number(text);
  return text === "" || Number.isNaN(value) ? text : value;
}

function compare(a, b) {
  if (typeof a === typeof b) return typeof a === "number" ? a - b : collator.compare(a, b);
  return typeof a === "number" ? -1 : 1;
}

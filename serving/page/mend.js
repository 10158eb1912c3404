// The rows of a list that could not be read: what is wrong with each, and fields to correct it.

import { fillRow } from "./rows.js";
import { categoryTitle, find, make, toTitle } from "./text.js";
import { t } from "./words.js";

const MAX_LISTED = 50;
const MAX_OPEN = 10; // more rows than this are folded, and all of them on a phone
const WIDE = "(min-width: 40rem)";

export class Mend {
  /** `onMended` is called with the rows that are valid now. */
  constructor(features, onMended) {
    this.features = features;
    this.onMended = onMended;
    find("mend").addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
  }

  show(rows) {
    this.rows = rows.slice(0, MAX_LISTED);
    find("unread").hidden = !rows.length;
    find("unread").open ||= rows.length <= MAX_OPEN && matchMedia(WIDE).matches;
    find("unread").firstElementChild.textContent = t("mend.title", { count: rows.length });
    const items = this.rows.map((row) => this.makeItem(row));
    const rest = rows.length - items.length;
    if (rest) items.push(make("li", {}, t("mend.rest", { count: rest })));
    find("mend-rows").replaceChildren(...items);
    find("mend-submit").hidden = !this.rows.some(({ invalid }) => invalid.length);
  }

  makeItem(row) {
    const place = t("list.line", { line: row.line });
    const named = row.name === place ? place : t("mend.place", { place, name: row.name });
    const fields = row.invalid.map(([feature, text]) => this.makeField(row, feature, text));
    return make("li", {}, make("span", {}, `${named}: ${row.error}`), ...fields);
  }

  makeField(row, feature, text) {
    const id = mendId(row, feature);
    const label = make("label", { for: id }, toTitle(feature.name));
    if (feature.kind === "number") {
      const inputmode = feature.step % 1 ? "decimal" : "numeric";
      const attributes = { id, value: text, inputmode, autocomplete: "off" };
      return make("span", { class: "mend" }, label, make("input", attributes));
    }
    const choices = Object.keys(feature.codes).map((name) =>
      make("option", { value: name }, categoryTitle(feature, name)),
    );
    const none = make("option", { value: "" }, "–");
    return make("span", { class: "mend" }, label, make("select", { id }, none, ...choices));
  }

  /** Read the fields. Pass on the rows that are valid, and show what is wrong with the others. */
  submit() {
    const mended = [];
    for (const row of this.rows.filter(({ invalid }) => invalid.length)) {
      const texts = this.features.map((feature, index) =>
        String(find(mendId(row, feature))?.value ?? row.cells[index]),
      );
      fillRow(row, this.features, texts);
      if (!row.error) mended.push(row);
    }
    this.onMended(mended);
  }
}

const mendId = (row, feature) => `mend-${row.index}-${feature.name}`;

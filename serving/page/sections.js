// The sections of a long form, and the search in it. A short form has the fields in the order of
// the columns file.

import { find, formatCount, make, toTitle } from "./text.js";
import { t } from "./words.js";

/** Forms and tables with more features are long. */
export const MANY = 12;
const MAX_FIRST = 8; // fields in the first section, which has the most important ones

export class Sections {
  /** `elements` maps the name of each feature to its field. */
  constructor(container, features, elements) {
    Object.assign(this, { container, features, elements });
    this.isLong = features.length > MANY;
    this.importance = {};
    this.sections = []; // none in a short form
    find("search-box").hidden = !this.isLong;
    find("form").classList.toggle("long", this.isLong);
    find("search").addEventListener("input", () => this.search());
    this.fill();
  }

  arrange(importance) {
    const isKnown = Object.keys(importance).join() === Object.keys(this.importance).join();
    if (!this.isLong || isKnown) return;
    this.importance = importance;
    this.fill();
    this.search();
  }

  translate() {
    const open = this.sections.map(({ element }) => element.open);
    this.fill();
    this.sections.forEach(({ element }, index) => (element.open = open[index]));
    this.search();
  }

  /** Put the fields into the document. A field keeps the focus. */
  fill() {
    const focused = document.activeElement;
    if (this.isLong) this.container.replaceChildren(...this.makeSections());
    else this.container.replaceChildren(...this.elements.values());
    if (this.container.contains(focused)) focused.focus({ preventScroll: true });
  }

  makeSections() {
    const sorted = sortByImportance(this.features, this.importance);
    const isKnown = Object.keys(this.importance).length > 0;
    const first = isKnown ? sorted.slice(0, MAX_FIRST) : [];
    const titles = new Map(first.length ? [[t("sections.first"), first]] : []);
    for (const feature of sorted.slice(first.length)) {
      const title = this.titleOf(feature);
      titles.set(title, [...(titles.get(title) ?? []), feature]);
    }
    this.sections = [...titles].map(([title, features], index) => {
      const count = make("span", { class: "quiet" }, formatCount(features.length));
      const heading = make("summary", {}, make("span", {}, title), " ", count);
      const fields = make("div", { class: "fields" }, ...features.map((one) => this.fieldOf(one)));
      const element = make("details", { class: "section", open: index === 0 }, heading, fields);
      return { title, features, element, count, wasOpen: index === 0 };
    });
    return this.sections.map(({ element }) => element);
  }

  fieldOf({ name }) {
    return this.elements.get(name);
  }

  /** Return the section of the columns file, or the kind if the file has no sections. */
  titleOf({ section, kind }) {
    if (this.features.some((feature) => feature.section)) return section || t("sections.others");
    return t(kind === "number" ? "sections.numbers" : "sections.categories");
  }

  /** Show the fields with all words of the search in their text, and open their sections. */
  search() {
    const words = find("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    let found = 0;
    for (const section of this.sections) {
      const shown = section.features.filter((feature) => matches(feature, section.title, words));
      for (const feature of section.features) {
        this.fieldOf(feature).hidden = !shown.includes(feature);
      }
      const isSearched = words.length > 0;
      if (isSearched && !section.isSearched) section.wasOpen = section.element.open;
      section.element.hidden = !shown.length;
      section.count.textContent = formatCount(shown.length);
      section.element.open = isSearched ? shown.length > 0 : keepOpen(section);
      section.isSearched = isSearched;
      found += shown.length;
    }
    const counts = { count: found, total: this.features.length };
    find("found").textContent = words.length ? t("sections.found", counts) : "";
  }
}

/** Return whether a section is open once the search is empty. */
const keepOpen = ({ isSearched, wasOpen, element }) => (isSearched ? wasOpen : element.open);

/** Return the features, the most important ones first. */
export function sortByImportance(features, importance) {
  const rank = ({ name }) => importance[name] ?? 0;
  return [...features].sort((a, b) => rank(b) - rank(a)); // a stable sort
}

function matches({ name, raw, description, titles = {}, codes = {} }, section, words) {
  const texts = [name, toTitle(name), raw, description, section];
  const text = [...texts, ...Object.keys(codes), ...Object.values(titles)].join(" ").toLowerCase();
  return words.every((word) => text.includes(word));
}

// The language of the page, and its words. The browser chooses the language unless the visitor
// did. Each language has one table in words/, and all tables have the same keys.

import english from "./words/en.js";

/** Languages of the page, each by its own name. */
export const LANGUAGES = { en: "English", de: "Deutsch", es: "Español", fr: "Français" };

const STORAGE = "language";

let current = "en";
let words = english;
let plurals;
let counts;

export const language = () => current;

/** Return the language that the visitor or the browser prefers. */
export function preferredLanguage() {
  const tags = [localStorage.getItem(STORAGE), ...navigator.languages];
  return tags.map((tag) => tag?.slice(0, 2).toLowerCase()).find((tag) => tag in LANGUAGES) ?? "en";
}

/** Store the visitor's choice of a language. */
export function storeLanguage(tag) {
  localStorage.setItem(STORAGE, tag);
}

/**
 * Load the words of a language, and show them in the elements of the document. If they cannot be
 * loaded, the page is in English.
 */
export async function loadLanguage(wanted) {
  const loaded = wanted === "en" ? english : await importWords(wanted);
  const tag = loaded ? wanted : "en";
  words = loaded ?? english;
  current = tag;
  plurals = new Intl.PluralRules(tag);
  counts = new Intl.NumberFormat(tag, { maximumFractionDigits: 0 });
  document.documentElement.lang = tag;
  for (const element of document.querySelectorAll("[data-word]")) {
    element.textContent = t(element.dataset.word);
  }
  for (const element of document.querySelectorAll("[data-label]")) {
    element.setAttribute("aria-label", t(element.dataset.label));
  }
}

async function importWords(tag) {
  try {
    return (await import(`./words/${tag}.js`)).default;
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // a TypeError means that it was not loaded
    return undefined;
  }
}

/**
 * Return the text of `key` with `values` in place of its {names}. If a text has plural forms,
 * `values.count` selects one. Numbers are formatted as counts.
 */
export function t(key, values = {}) {
  const entry = words[key];
  if (entry === undefined) throw new Error(key);
  const text =
    typeof entry === "string" ? entry : (entry[plurals.select(values.count)] ?? entry.other);
  return text.replace(/\{(\w+)\}/g, (_, name) =>
    typeof values[name] === "number" ? counts.format(values[name]) : values[name],
  );
}

/** Join texts as alternatives: "a, b or c". */
export const joinAlternatives = (texts) =>
  new Intl.ListFormat(current, { type: "disjunction" }).format(texts);

// Files that the page writes: the template, the example list, and downloads.

import { describeAccepted } from "./cells.js";
import { formatLine } from "./csv.js";
import { HELP } from "./rows.js";
import { make, toTitle } from "./text.js";
import { t } from "./words.js";

const EXAMPLE_ROWS = 12;
const DOWNLOAD_MS = 10_000;
const LETTER_A = 65;
const LETTERS = 26;

/** Return a list to fill in: its rows have every category, and its last column explains them. */
export function templateCsv({ subject, features }) {
  const counts = features.map(({ codes = {} }) => Object.keys(codes).length);
  const rows = Array.from({ length: Math.max(features.length, ...counts) }, (_, row) => [
    nameExample(subject, row),
    ...features.map((feature) => pickExample(feature, row)),
    features[row] ? `${features[row].name}: ${describeAccepted(features[row])}` : "",
  ]);
  const header = ["name", ...features.map(({ name }) => name), HELP];
  return [header, ...rows].map(formatLine).join("");
}

/** Return a generated list, always the same, with values from the dictionary's ranges. */
export function exampleCsv({ subject, features }) {
  const rows = Array.from({ length: EXAMPLE_ROWS }, (_, row) => [
    nameExample(subject, row),
    ...features.map((feature, column) => exampleValue(feature, spread(row + 1, column + 1))),
  ]);
  return [["name", ...features.map(({ name }) => name)], ...rows].map(formatLine).join("");
}

const nameExample = (subject, row) =>
  t("sample.name", { subject: toTitle(subject), letter: row < LETTERS ? nthLetter(row) : row + 1 });

const nthLetter = (index) => String.fromCharCode(LETTER_A + index);

function pickExample(feature, row) {
  if (feature.kind === "number") return feature.example;
  const names = Object.keys(feature.codes);
  return names[row % names.length];
}

/** Return a number in [0, 1) for a cell. Multiples of irrational numbers are spread evenly. */
function spread(row, column) {
  return (row * 0.6180339887 + column * 0.4142135623 + row * column * 0.2360679775) % 1;
}

/** Return the value of a feature at `fraction` of its range. */
function exampleValue(feature, fraction) {
  if (feature.kind !== "number") {
    const names = Object.keys(feature.codes);
    return names[Math.floor(fraction * names.length)];
  }
  const [low, high] = feature.typical;
  const steps = Math.round((fraction * (high - low)) / feature.step);
  return Number((low + steps * feature.step).toFixed(6));
}

/** Save text as a file. */
export function download(name, parts) {
  // Excel needs the byte order mark to recognise UTF-8.
  const url = URL.createObjectURL(new Blob(["\uFEFF", ...parts], { type: "text/csv" }));
  make("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), DOWNLOAD_MS);
}

// The ranking of a CSV file. The browser reads the file, sends the columns that the model needs
// to the predictor, and joins the predictions to the rows by their order.

import { PROBABILITY, Problem, postCsv } from "./api.js";
import { Reader, formatLine, readRows } from "./csv.js";
import { Ranking } from "./ranking.js";
import { categoryTitle, find, formatCount, make, showText, toTitle } from "./text.js";

const MAX_ROWS = 200_000; // keeps the browser responsive; the API has no limit
const MAX_LISTED_ERRORS = 50;
const EXAMPLE_ROWS = 12;
const DOWNLOAD_MS = 10_000;

export class List {
  /** `inspect` is called with the values of the row whose reasons are requested. */
  constructor(columns, inspect) {
    this.columns = columns;
    this.names = columns.features.map(({ name }) => name);
    this.ranking = new Ranking(columns, inspect);
    find("list-title").textContent = `A list of ${columns.subjects}`;
    find("expected").textContent =
      `One row per ${columns.subject}, with the columns ${this.names.join(", ")}`;
    find("file").addEventListener("change", ({ target }) => this.choose(target));
    find("demo").addEventListener("click", () => {
      this.rank(new File([this.exampleCsv()], "example.csv"), "predict/csv?log=false");
    });
    find("template").addEventListener("click", () => {
      download("template.csv", [this.templateCsv()]);
    });
    find("cancel").addEventListener("click", () => this.controller?.abort());
    find("download").addEventListener("click", () => {
      download(this.fileName.replace(/(\.\w+)?$/, "-ranked.csv"), this.ranking.lines());
    });
    this.acceptDrops(find("drop"));
  }

  acceptDrops(target) {
    for (const name of ["dragenter", "dragover"]) {
      target.addEventListener(name, (event) => {
        event.preventDefault();
        target.classList.add("over");
      });
    }
    for (const name of ["dragleave", "drop"]) {
      target.addEventListener(name, () => target.classList.remove("over"));
    }
    // The browser would open a file that is dropped elsewhere on the page.
    for (const name of ["dragover", "drop"]) {
      document.addEventListener(name, (event) => event.preventDefault());
    }
    target.addEventListener("drop", ({ dataTransfer }) => {
      if (dataTransfer.files[0]) this.rank(dataTransfer.files[0]);
    });
  }

  choose(input) {
    const [file] = input.files;
    input.value = ""; // so that choosing the same file again is a change
    if (file) this.rank(file);
  }

  /** Read a file, predict its rows and show the ranking. Cancels the previous file. */
  async rank(file, path = "predict/csv") {
    this.controller?.abort();
    const controller = new AbortController();
    this.controller = controller;
    showText(find("list-problem"), "");
    find("result").hidden = true;
    try {
      this.showProgress("Reading the file…");
      const { extraNames, rows } = await this.read(file);
      const predictions = await this.predict(path, rows, controller.signal);
      this.fileName = file.name;
      this.ranking.show(extraNames, join(rows, predictions));
      this.showSummary();
    } catch (error) {
      const isCancelled = error.name === "AbortError";
      if (!isCancelled && !(error instanceof Problem)) throw error;
      if (controller === this.controller) {
        const message = isCancelled ? "Cancelled. There are no results." : error.message;
        showText(find("list-problem"), message);
      }
    } finally {
      if (controller === this.controller) find("progress").hidden = true;
    }
  }

  /** Return the rows of a file, each with its values for the model and its other cells. */
  async read(file, encoding = "utf-8") {
    const reader = new Reader();
    const rows = [];
    let mapping;
    try {
      for await (const chunk of readRows(file.stream(), reader, encoding)) {
        if (!mapping) mapping = this.mapColumns(chunk.shift(), reader.separator);
        for (const cells of chunk) rows.push(mapping.toRow(cells));
        if (rows.length > MAX_ROWS) {
          throw new Problem(
            `The file has more than ${formatCount(MAX_ROWS)} rows. ` +
              "Send it to POST /predict/csv, which has no limit.",
          );
        }
      }
    } catch (error) {
      // A TypeError means that the file is not UTF-8. Spreadsheets also write windows-1252.
      if (!(error instanceof TypeError) || encoding !== "utf-8") throw error;
      return this.read(file, "windows-1252");
    }
    if (!rows.length) {
      throw new Problem(
        `${file.name} has no rows. The first line must name the columns, ` +
          `and each further line must describe one ${this.columns.subject}.`,
      );
    }
    return { extraNames: mapping.extraNames, rows };
  }

  /** Find each feature's column by its name, its name in the survey or its title on the page. */
  mapColumns(header, separator) {
    const { features } = this.columns;
    // Reversed, so that the first of two columns with the same name is used.
    const positions = new Map(header.map((name, index) => [normalize(name), index]).reverse());
    const indices = features.map(({ name, raw }) =>
      [name, raw, toTitle(name)]
        .map((candidate) => positions.get(normalize(candidate)))
        .find((index) => index !== undefined),
    );
    const missing = features.filter((_, index) => indices[index] === undefined);
    if (missing.length) {
      const names = missing.map(({ name, raw }) => `“${name}” (or “${raw}”)`).join(", ");
      const subject = missing.length > 1 ? "These columns are" : "This column is";
      throw new Problem(
        `${subject} missing from the file: ${names}. Its first line is: ${header.join(separator)}`,
      );
    }
    const extra = header.map((_, index) => index).filter((index) => !indices.includes(index));
    const parsers = features.map((feature, index) =>
      cellParser(feature, separator, indices[index]),
    );
    return {
      extraNames: extra.map((index) => header[index]),
      toRow: (cells) => ({
        extra: extra.map((index) => cells[index] ?? ""),
        values: parsers.map((parse) => parse(cells)),
      }),
    };
  }

  /** Return the prediction for each row: {label, p} or {error}. */
  async predict(path, rows, signal) {
    const lines = [this.names, ...rows.map(({ values }) => values)].map(formatLine);
    const response = await postCsv(path, new Blob(lines), signal);
    const predictions = [];
    let header;
    for await (const chunk of readRows(response.body, new Reader(","))) {
      header ??= chunk.shift();
      for (const cells of chunk) predictions.push(toPrediction(header, cells));
      const text = `${formatCount(predictions.length)} of ${formatCount(rows.length)} rows`;
      this.showProgress(text, predictions.length / rows.length);
    }
    if (predictions.length !== rows.length) {
      throw new Problem(
        `The predictor returned only ${formatCount(predictions.length)} ` +
          `of ${formatCount(rows.length)} rows. Try again.`,
      );
    }
    return predictions;
  }

  /** Show the progress. Without `fraction`, its amount is unknown. */
  showProgress(text, fraction) {
    find("progress").hidden = false;
    find("progress-text").textContent = text;
    if (fraction === undefined) find("progress-bar").removeAttribute("value");
    else find("progress-bar").value = fraction;
  }

  showSummary() {
    const { rows, atRisk, invalid } = this.ranking;
    const valid = rows.length - invalid.length;
    const noun = valid === 1 ? this.columns.subject : this.columns.subjects;
    const verb = atRisk === 1 ? "is" : "are";
    find("summary-count").textContent = formatCount(atRisk);
    find("summary-text").textContent = `of ${formatCount(valid)} ${noun} ${verb} at risk`;
    this.showErrors(invalid);
    find("result").hidden = false;
    find("summary").focus({ preventScroll: true });
    find("summary").scrollIntoView({ block: "nearest" });
  }

  showErrors(invalid) {
    const [title, list] = find("unread").children;
    find("unread").hidden = !invalid.length;
    const count = invalid.length === 1 ? "1 row" : `${formatCount(invalid.length)} rows`;
    title.textContent = `${count} could not be read`;
    const items = invalid
      .slice(0, MAX_LISTED_ERRORS)
      .map(({ index, error }) => `Row ${formatCount(index + 1)}: ${error}`);
    const rest = invalid.length - items.length;
    if (rest) items.push(`${formatCount(rest)} more; the download lists all of them`);
    list.replaceChildren(...items.map((text) => make("li", {}, text)));
  }

  templateCsv() {
    const examples = this.columns.features.map(({ example }) => example);
    return [this.names, examples].map(formatLine).join("");
  }

  /** Return a generated list, always the same, with values from the dictionary's ranges. */
  exampleCsv() {
    const rows = Array.from({ length: EXAMPLE_ROWS }, (_, row) => [
      `${toTitle(this.columns.subject)} ${String.fromCharCode(65 + row)}`,
      ...this.columns.features.map((feature, column) =>
        exampleValue(feature, spread(row + 1, column + 1)),
      ),
    ]);
    return [["name", ...this.names], ...rows].map(formatLine).join("");
  }
}

const normalize = (name) => name.trim().toLowerCase();

/**
 * Return the function that reads a feature's cell from a row. Numbers may have a decimal comma
 * unless the comma separates columns. Categories may be titles as the page shows them.
 */
function cellParser(feature, separator, index) {
  const toDecimalPoint = (cell = "") => (separator === "," ? cell : cell.replace(",", "."));
  if (feature.kind === "number") return (cells) => toDecimalPoint(cells[index]);
  const names = new Map(
    Object.keys(feature.codes).flatMap((name) =>
      [name, categoryTitle(feature, name)].map((spelling) => [normalize(spelling), name]),
    ),
  );
  return (cells) => names.get(normalize(cells[index] ?? "")) ?? toDecimalPoint(cells[index]);
}

function toPrediction(header, cells) {
  const cell = (name) => cells[header.indexOf(name)];
  const error = cell("error");
  return error ? { error } : { label: cell("label"), p: Number(cell(PROBABILITY)) };
}

const join = (rows, predictions) =>
  rows.map((row, index) => ({ index, ...row, ...predictions[index] }));

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
function download(name, parts) {
  // Excel needs the byte order mark to recognise UTF-8.
  const url = URL.createObjectURL(new Blob(["\uFEFF", ...parts], { type: "text/csv" }));
  make("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), DOWNLOAD_MS);
}

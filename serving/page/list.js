// The ranking of a list. The browser reads the file, sends the columns that the model needs to
// the predictor, and joins the predictions to the rows by their order.

import { PROBABILITY, Problem, postCsv, retryWhileBusy } from "./api.js";
import { describeAccepted } from "./cells.js";
import { Reader, formatLine, readRows } from "./csv.js";
import { readFile } from "./files.js";
import { Mend } from "./mend.js";
import { Ranking } from "./ranking.js";
import { knownNames, readList } from "./rows.js";
import { download, exampleCsv, templateCsv } from "./samples.js";
import { MANY } from "./sections.js";
import { find, formatCount, make, showText } from "./text.js";
import { t } from "./words.js";

const MAX_NAMED = 5; // rows that the summary names
const MAX_ROWS = 200_000; // keeps the browser responsive; the API has no limit

export class List {
  /** `inspect` is called with the row that is put into the form, and the way back. */
  constructor(risk, inspect) {
    const { columns } = risk;
    this.risk = risk;
    this.columns = columns;
    this.names = columns.features.map(({ name }) => name);
    this.ranking = new Ranking(this.risk, inspect);
    this.mend = new Mend(columns.features, (rows) => this.rankMended(rows));
    find("file").addEventListener("change", ({ target }) => this.choose(target));
    find("demo").addEventListener("click", () => {
      this.rank(new File([exampleCsv(columns)], "example.csv"), false);
    });
    find("template").addEventListener("click", () => {
      download("template.csv", [templateCsv(columns)]);
    });
    find("cancel").addEventListener("click", () => this.controller?.abort());
    find("download").addEventListener("click", () => {
      download(this.fileName.replace(/(-ranked)?(\.\w+)?$/, "-ranked.csv"), this.ranking.lines());
    });
    this.acceptDrops(find("drop"));
    this.translate();
  }

  /** Show the list again, because the words or the facts about the model changed. */
  refresh() {
    if (!this.ranking.rows) return;
    this.ranking.refresh();
    this.showSummary();
  }

  translate() {
    const { subject, subjects, features } = this.columns;
    find("list-title").textContent = t("list.title", { subjects });
    const { length: count } = this.names;
    find("expected").textContent =
      count > MANY
        ? t("list.expectedMany", { subject, count })
        : t("list.expected", { subject, names: this.names.join(", ") });
    find("only-text").textContent = t("list.only", { mark: this.risk.mark });
    find("wide-box").hidden = count <= MANY;
    find("wide-text").textContent = t("list.wide", { count });
    this.describeStorage();
    find("allowed-rows").replaceChildren(
      ...features.map((feature) =>
        make(
          "tr",
          {},
          make("th", { scope: "row" }, make("code", {}, feature.name)),
          make("td", {}, feature.description),
          make("td", {}, [describeAccepted(feature), feature.unit].filter(Boolean).join(", ")),
        ),
      ),
    );
    for (const row of this.ranking.invalid ?? []) row.error = row.describe() || row.error;
    this.refresh();
  }

  /** Say what the predictor stores of a list, and for how long. */
  describeStorage() {
    const { sample_rate: rate, retention_days: days } = this.columns.live_traffic;
    const period = days ? t("list.kept", { count: days }) : t("list.keptForever");
    find("kept").textContent = rate ? `${t("list.stored")} ${period}` : t("list.notStored");
    find("private").parentElement.hidden = !rate;
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
  rank(file, isLogged = !find("private").checked) {
    find("result").hidden = true;
    return this.run(async (signal) => {
      this.showProgress(t("list.reading"));
      const { header, rows } = await this.read(file);
      this.isLogged = isLogged;
      await this.predict(rows.filter(({ error }) => !error), signal);
      this.fileName = file.name;
      this.ranking.show(header, rows);
      this.showSummary();
      find("result").hidden = false;
      find("summary").focus({ preventScroll: true });
      find("result").scrollIntoView({ block: "start" });
    });
  }

  /** Predict the rows that the visitor corrected, and rank the list again. */
  rankMended(rows) {
    return this.run(async (signal) => {
      await this.predict(rows, signal);
      this.ranking.refresh();
      this.showSummary();
      find(this.ranking.invalid.length ? "mend-submit" : "summary").focus();
    });
  }

  /** Run a task that can be cancelled, and show its Problem. */
  async run(task) {
    this.controller?.abort();
    const controller = new AbortController();
    this.controller = controller;
    showText(find("list-problem"), "");
    try {
      await task(controller.signal);
    } catch (error) {
      const isCancelled = error.name === "AbortError";
      if (!isCancelled && !(error instanceof Problem)) throw error;
      if (controller === this.controller) {
        showText(find("list-problem"), isCancelled ? t("list.cancelled") : error.message);
      }
    } finally {
      if (controller === this.controller) find("progress").hidden = true;
    }
  }

  /** Return the rows of a file and their Header. */
  async read(file) {
    const table = await readFile(file, knownNames(this.columns));
    const list = readList(this.columns, table, file.name);
    if (!list.rows.length) throw new Problem(t("file.empty", { name: file.name }));
    if (list.rows.length > MAX_ROWS) throw new Problem(t("file.rows", { count: MAX_ROWS }));
    return list;
  }

  /** Add its prediction to each row. */
  async predict(rows, signal) {
    if (!rows.length) return;
    const body = new Blob([this.names, ...rows.map(({ cells }) => cells)].map(formatLine));
    const path = this.isLogged ? "predict/csv" : "predict/csv?log=false";
    const response = await retryWhileBusy(
      () => postCsv(path, body, signal),
      signal,
      () => this.showProgress(t("list.busy")),
    );
    let count = 0;
    let names;
    try {
      for await (const chunk of readRows(response.body, new Reader(","))) {
        names ??= chunk.shift().cells;
        for (const { cells } of chunk) Object.assign(rows[count++], toPrediction(names, cells));
        const progress = t("list.progress", { count, total: rows.length });
        this.showProgress(progress, count / rows.length);
      }
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // a TypeError: the connection was closed
    }
    if (count !== rows.length) {
      throw new Problem(t("list.incomplete", { count, total: rows.length }));
    }
  }

  /** Show the progress. Without `fraction`, its amount is unknown. */
  showProgress(text, fraction) {
    find("progress").hidden = false;
    find("progress-text").textContent = text;
    if (fraction === undefined) find("progress-bar").removeAttribute("value");
    else find("progress-bar").value = fraction;
  }

  showSummary() {
    const { ranked, marked, invalid, rows } = this.ranking;
    const expected = Math.round(marked.reduce((sum, { p }) => sum + p, 0));
    const { positive: outcome } = this.columns.label;
    const key = !marked.length ? "summary.none" : expected ? "summary.some" : "summary.few";
    const values = { count: expected, verb: this.risk.verb, outcome, mark: this.risk.mark };
    find("summary-count").textContent = formatCount(marked.length);
    find("summary-text").textContent = t(key, values);
    find("summary-detail").textContent = [
      t("summary.total", { count: ranked.length, total: rows.length }),
      ...describeOutside(ranked.filter(({ isOutside }) => isOutside)),
    ].join(" ");
    this.mend.show(invalid);
  }
}

/** Name the first rows with a value outside the training data: they can be far down the list. */
function describeOutside(rows) {
  if (!rows.length) return [];
  const names = rows.slice(0, MAX_NAMED).map(({ name }) => name);
  if (rows.length > MAX_NAMED) names.push("…");
  const sentence = t("summary.outside", { count: rows.length, names: names.join("; ") });
  return [sentence.replace(/…\.$/, "…")];
}

function toPrediction(names, cells) {
  const cell = (name) => cells[names.indexOf(name)] ?? "";
  const warning = cell("warning");
  return {
    label: cell("label"),
    p: Number(cell(PROBABILITY)),
    warning,
    isOutside: warning !== "",
    error: cell("error"),
  };
}

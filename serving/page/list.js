// A list of rows: a CSV file read here, the model's columns of it sent to the service, its answers joined to the rows again.

import { PROBABILITY, Problem, postCsv } from "./api.js";
import { Reader, line, rowsOf } from "./csv.js";
import { Ranking } from "./ranking.js";
import { choice, count, find, make, tell, title } from "./text.js";

const MOST_ROWS = 200_000; // more than a browser holds gladly; the API itself has no such limit
const MOST_REASONS = 50; // unreadable rows that are listed
const DEMO_ROWS = 12;

export class List {
  /** `inspect` is called with the values of a row that is to be looked into. */
  constructor(columns, inspect) {
    this.columns = columns;
    this.ranking = new Ranking(columns, inspect);
    find("list-title").textContent = `A list of ${columns.subjects}`;
    find("expected").textContent = `One line for each ${columns.subject}, with the columns ${columns.features.map(({ name }) => name).join(", ")}`;
    find("file").addEventListener("change", ({ target }) => this.take(target));
    find("demo").addEventListener("click", () => this.answer(new File([this.demo()], "example.csv"), "predict/csv?log=false"));
    find("template").addEventListener("click", () => save("template.csv", [this.template()]));
    find("cancel").addEventListener("click", () => this.stop?.abort());
    find("download").addEventListener("click", () => save(this.name.replace(/(\.\w+)?$/, "-ranked.csv"), this.ranking.lines()));
    this.accept(find("drop"));
  }

  accept(drop) {
    for (const name of ["dragenter", "dragover"]) {
      drop.addEventListener(name, (event) => {
        event.preventDefault();
        drop.classList.add("over");
      });
    }
    for (const name of ["dragleave", "drop"]) drop.addEventListener(name, () => drop.classList.remove("over"));
    for (const name of ["dragover", "drop"]) document.addEventListener(name, (event) => event.preventDefault()); // a file missed the field: stay on the page
    drop.addEventListener("drop", ({ dataTransfer }) => dataTransfer.files[0] && this.answer(dataTransfer.files[0]));
  }

  take(input) {
    const [file] = input.files;
    input.value = ""; // so that the same file, changed, can be chosen again
    if (file) this.answer(file);
  }

  /** Reads the file, has it answered by `path` and shows the ranking. A newer file stops the one before. */
  async answer(file, path = "predict/csv") {
    this.stop?.abort();
    const { signal } = (this.stop = new AbortController());
    tell(find("list-problem"), "");
    find("result").hidden = true;
    try {
      this.progress("Reading the file…");
      const { extra, rows } = await this.read(file);
      const answers = await this.predict(path, rows, signal);
      this.name = file.name;
      this.ranking.show(extra, join(rows, answers));
      this.summarise();
    } catch (error) {
      if (error.name !== "AbortError" && !(error instanceof Problem)) throw error;
      if (signal === this.stop.signal) tell(find("list-problem"), error.name === "AbortError" ? "Stopped; nothing was kept." : error.message);
    } finally {
      if (signal === this.stop.signal) find("progress").hidden = true;
    }
  }

  /** The file's rows, its columns sorted into the model's and all others. */
  async read(file, encoding = "utf-8") {
    const reader = new Reader();
    let plan;
    const rows = [];
    try {
      for await (const some of rowsOf(file.stream(), reader, encoding)) {
        if (!plan) plan = this.plan(some.shift(), reader.separator);
        for (const cells of some) rows.push(plan.take(cells));
        if (rows.length > MOST_ROWS) throw new Problem(`The file has more than ${count(MOST_ROWS)} rows; send it to POST /predict/csv, which has no such limit.`);
      }
    } catch (error) {
      if (!(error instanceof TypeError) || encoding !== "utf-8") throw error;
      return this.read(file, "windows-1252"); // no UTF-8: what spreadsheets write otherwise
    }
    if (!rows.length) throw new Problem(`${file.name} holds no rows; the first line must name the columns, and each further line be one of the ${this.columns.subjects}.`);
    return { extra: plan.extra, rows };
  }

  /** Which cell is which, by the header: our names, the survey's, or as this page writes them. */
  plan(header, separator) {
    const places = new Map(header.map((name, index) => [key(name), index]).reverse());
    const { features } = this.columns;
    const at = features.map(({ name, raw }) => places.get(key(name)) ?? places.get(key(raw)) ?? places.get(key(title(name))));
    const missing = features.filter((_, index) => at[index] === undefined);
    if (missing.length) {
      const names = missing.map(({ name, raw }) => `“${name}” (or “${raw}”)`).join(", ");
      throw new Problem(`The file lacks the column${missing.length > 1 ? "s" : ""} ${names}. Its first line reads: ${header.join(separator)}`);
    }
    const others = header.map((_, index) => index).filter((index) => !at.includes(index));
    const readings = features.map((feature, index) => reading(feature, separator, at[index]));
    return {
      extra: others.map((index) => header[index]),
      take: (cells) => ({ extra: others.map((index) => cells[index] ?? ""), values: readings.map((read) => read(cells)) }),
    };
  }

  /** The service's answer to each row: {label, p, error}. */
  async predict(path, rows, signal) {
    const names = this.columns.features.map(({ name }) => name);
    const response = await postCsv(path, new Blob([names, ...rows.map(({ values }) => values)].map(line)), signal);
    const answers = [];
    let header;
    for await (const some of rowsOf(response.body, new Reader(","))) {
      header ??= some.shift();
      for (const cells of some) answers.push(this.reply(header, cells));
      this.progress(`${count(answers.length)} of ${count(rows.length)} rows`, answers.length / rows.length);
    }
    if (answers.length !== rows.length) throw new Problem(`The service answered ${count(answers.length)} of ${count(rows.length)} rows, then stopped; try again.`);
    return answers;
  }

  reply(header, cells) {
    const cell = (name) => cells[header.indexOf(name)];
    const error = cell("error");
    return error ? { error } : { label: cell("label"), p: Number(cell(PROBABILITY)) };
  }

  progress(text, share) {
    find("progress").hidden = false;
    find("progress-text").textContent = text;
    if (share === undefined) find("progress-bar").removeAttribute("value");
    else find("progress-bar").value = share;
  }

  summarise() {
    const { rows, atRisk, unread } = this.ranking;
    const read = rows.length - unread.length;
    find("summary-count").textContent = count(atRisk);
    find("summary-text").textContent = `of ${count(read)} ${read === 1 ? this.columns.subject : this.columns.subjects} ${atRisk === 1 ? "is" : "are"} at risk`;
    find("unread").hidden = !unread.length;
    const [head, reasons] = find("unread").children;
    head.textContent = unread.length === 1 ? "1 row could not be read" : `${count(unread.length)} rows could not be read`;
    const listed = unread.slice(0, MOST_REASONS).map(({ index, error }) => make("li", {}, `Row ${count(index + 1)}: ${error}`));
    const rest = unread.length - listed.length;
    reasons.replaceChildren(...listed, ...(rest ? [make("li", {}, `and ${count(rest)} more; the download has every reason`)] : []));
    find("result").hidden = false;
    find("summary").focus({ preventScroll: true });
    find("summary").scrollIntoView({ block: "nearest" });
  }

  template() {
    return [this.columns.features.map(({ name }) => name), this.columns.features.map(({ example }) => example)].map(line).join("");
  }

  /** A made-up list, the same every time, drawn from the dictionary's ranges. */
  demo() {
    const draw = (row, column) => ((row * 0.6180339887 + column * 0.4142135623 + row * column * 0.2360679775) % 1 + 1) % 1;
    const value = (feature, share) => {
      if (feature.kind !== "number") return Object.keys(feature.codes)[Math.floor(share * Object.keys(feature.codes).length)];
      const [low, high] = feature.typical;
      const steps = Math.round((share * (high - low)) / feature.step);
      return Number((low + steps * feature.step).toFixed(6));
    };
    const rows = Array.from({ length: DEMO_ROWS }, (_, row) => [
      `${title(this.columns.subject)} ${String.fromCharCode(65 + row)}`,
      ...this.columns.features.map((feature, column) => value(feature, draw(row + 1, column + 1))),
    ]);
    return [["name", ...this.columns.features.map(({ name }) => name)], ...rows].map(line).join("");
  }
}

const key = (name) => name.trim().toLowerCase();

/** How a feature's cell is read: numbers also with a decimal comma, categories also as this page writes them. */
function reading(feature, separator, index) {
  const dotted = (cell = "") => (separator === "," ? cell : cell.replace(",", "."));
  if (feature.kind === "number") return (cells) => dotted(cells[index]);
  const names = new Map(Object.keys(feature.codes).flatMap((name) => [name, choice(feature, name)].map((written) => [key(written), name])));
  return (cells) => names.get(key(cells[index] ?? "")) ?? dotted(cells[index]);
}

const join = (rows, answers) => rows.map((row, index) => ({ index, ...row, ...answers[index] }));

/** Offers a file to keep. */
function save(name, parts) {
  const url = URL.createObjectURL(new Blob(["\uFEFF", ...parts], { type: "text/csv" })); // the mark, or Excel takes it for another encoding
  const link = make("a", { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

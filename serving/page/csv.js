// CSV as RFC 4180 has it, in pieces as they arrive, and as spreadsheets really write it: any of three separators, a byte order mark.

const SEPARATORS = [",", ";", "\t"];

export class Reader {
  /** Without a separator, the one that the first line has most of is taken. */
  constructor(separator) {
    this.separator = separator;
    this.text = "";
    this.row = [];
  }

  /** The rows that `text` completes. */
  push(text) {
    this.text += text;
    return this.rows(false);
  }

  /** The rest, where the last line has no line end. */
  end() {
    return this.rows(true);
  }

  rows(last) {
    if (this.separator === undefined) {
      const line = this.text.search(/[\r\n]/);
      if (line < 0 && !last) return [];
      this.text = this.text.replace(/^\uFEFF/, "");
      this.separator = separatorOf(line < 0 ? this.text : this.text.slice(0, line));
    }
    const rows = [];
    let at = 0;
    for (;;) {
      const cell = cellAt(this.text, at, this.separator, last);
      if (!cell) break;
      this.row.push(cell.value);
      at = cell.next;
      if (cell.closes) {
        if (this.row.length > 1 || this.row[0] !== "") rows.push(this.row);
        this.row = [];
      }
      if (last && at >= this.text.length && cell.closes) break;
    }
    this.text = this.text.slice(at);
    return rows;
  }
}

/** The cell that begins at `at`, or undefined while its end has not arrived. */
function cellAt(text, at, separator, last) {
  let end = at;
  let value = "";
  if (text[at] === '"') {
    for (end = at + 1; ; end++) {
      const quote = text.indexOf('"', end);
      if (quote < 0) return last ? { value: text.slice(at + 1), next: text.length, closes: true } : undefined;
      value += text.slice(end, quote);
      if (text[quote + 1] !== '"') {
        end = quote + 1;
        break;
      }
      value += '"';
      end = quote + 1;
    }
  }
  const start = end;
  while (end < text.length && text[end] !== separator && text[end] !== "\n" && text[end] !== "\r") end++;
  if (end >= text.length - 1 && !last && text[end] !== separator && text[end] !== "\n") return undefined;
  value += text.slice(start, end);
  const closes = text[end] !== separator;
  const next = end + (text[end] === "\r" && text[end + 1] === "\n" ? 2 : 1);
  return { value: value.trim(), next, closes };
}

function separatorOf(line) {
  const often = (separator) => line.split(separator).length;
  return SEPARATORS.reduce((best, one) => (often(one) > often(best) ? one : best));
}

/** One line of CSV, its end included. A cell that a spreadsheet would take for a formula is disarmed. */
export function line(cells) {
  return `${cells.map(quoted).join(",")}\r\n`;
}

function quoted(cell) {
  const text = String(cell ?? "");
  const safe = /^[=+@\t]|^-(?![\d.]+$)/.test(text) ? `'${text}` : text;
  return /[",\r\n;]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** Rows of a file or an answer, piece by piece. */
export async function* rowsOf(stream, reader, label = "utf-8") {
  const pieces = stream.pipeThrough(new TextDecoderStream(label, { fatal: label === "utf-8" })).getReader();
  for (;;) {
    const { done, value } = await pieces.read();
    const rows = done ? reader.end() : reader.push(value);
    if (rows.length) yield rows;
    if (done) return;
  }
}

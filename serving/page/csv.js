// CSV (RFC 4180) in chunks, with what spreadsheets add: three separators and a byte order mark.

const SEPARATORS = [",", ";", "\t"];

export class Reader {
  /** Without `separator`, use the one that occurs most often in the first line. */
  constructor(separator) {
    this.separator = separator;
    this.text = "";
    this.row = [];
  }

  /** Return the rows that `text` completes. */
  push(text) {
    this.text += text;
    return this.parse(false);
  }

  /** Return the last row, if it has no line end. */
  end() {
    return this.parse(true);
  }

  parse(isEnd) {
    if (this.separator === undefined) {
      const lineEnd = this.text.search(/[\r\n]/);
      if (lineEnd < 0 && !isEnd) return [];
      this.text = this.text.replace(/^\uFEFF/, "");
      this.separator = detectSeparator(lineEnd < 0 ? this.text : this.text.slice(0, lineEnd));
    }
    const rows = [];
    let position = 0;
    for (;;) {
      const cell = parseCell(this.text, position, this.separator, isEnd);
      if (!cell) break;
      this.row.push(cell.value);
      position = cell.next;
      if (cell.endsRow) {
        if (this.row.length > 1 || this.row[0] !== "") rows.push(this.row);
        this.row = [];
      }
      if (isEnd && position >= this.text.length && cell.endsRow) break;
    }
    this.text = this.text.slice(position);
    return rows;
  }
}

/** Parse the cell at `position`. Return undefined if its end is not in `text` yet. */
function parseCell(text, position, separator, isEnd) {
  let end = position;
  let value = "";
  if (text[position] === '"') {
    for (end = position + 1; ; end++) {
      const quote = text.indexOf('"', end);
      if (quote < 0) {
        if (!isEnd) return undefined;
        return { value: text.slice(position + 1), next: text.length, endsRow: true };
      }
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
  while (
    end < text.length &&
    text[end] !== separator &&
    text[end] !== "\n" &&
    text[end] !== "\r"
  ) {
    end++;
  }
  // The last character may be the first of "\r\n", so wait for the next chunk.
  const isComplete = end < text.length - 1 || [separator, "\n"].includes(text[end]);
  if (!isComplete && !isEnd) return undefined;
  value += text.slice(start, end);
  const endsRow = text[end] !== separator;
  const next = end + (text[end] === "\r" && text[end + 1] === "\n" ? 2 : 1);
  return { value: value.trim(), next, endsRow };
}

function detectSeparator(line) {
  const count = (separator) => line.split(separator).length;
  return SEPARATORS.reduce((best, other) => (count(other) > count(best) ? other : best));
}

/** Format cells as one line of CSV with its line end. */
export function formatLine(cells) {
  return `${cells.map(formatCell).join(",")}\r\n`;
}

function formatCell(cell) {
  const text = String(cell ?? "");
  // An apostrophe keeps spreadsheets from running the cell as a formula.
  const safe = /^[=+@\t]|^-(?![\d.]+$)/.test(text) ? `'${text}` : text;
  return /[",\r\n;]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** Yield the rows of a byte stream, one array per chunk. */
export async function* readRows(stream, reader, encoding = "utf-8") {
  const decoder = new TextDecoderStream(encoding, { fatal: encoding === "utf-8" });
  const chunks = stream.pipeThrough(decoder).getReader();
  for (;;) {
    const { done, value } = await chunks.read();
    const rows = done ? reader.end() : reader.push(value);
    if (rows.length) yield rows;
    if (done) return;
  }
}

// CSV (RFC 4180) in chunks, with what spreadsheets add: three separators and a byte order mark.

export const SEPARATORS = [",", ";", "\t"];

export class Reader {
  constructor(separator) {
    this.separator = separator;
    this.text = "";
    this.cells = [];
    this.line = 1; // number of the row, as a spreadsheet counts
  }

  /**
   * Return the rows that `text` completes, as {line, cells}. Empty rows are counted only. A row
   * with a quote that nothing closes ends with its line, and has `isUnclosed`.
   */
  push(text) {
    this.text += text;
    return this.parse(false);
  }

  /** Return the last row, if it has no line end. */
  end() {
    return this.parse(true);
  }

  parse(isEnd) {
    const rows = [];
    let position = 0;
    for (;;) {
      const cell = parseCell(this.text, position, this.separator, isEnd);
      if (!cell) break;
      this.cells.push(...(cell.isUnclosed ? cell.value.split(this.separator) : [cell.value]));
      position = cell.next;
      if (cell.endsRow) {
        if (this.cells.length > 1 || this.cells[0] !== "") {
          const { isUnclosed = false } = cell;
          rows.push({ line: this.line, cells: this.cells, isUnclosed });
        }
        this.line++;
        this.cells = [];
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
      if (quote < 0) return isEnd ? parseUnclosed(text, position) : undefined;
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

/** Parse a cell whose quote nothing closes: it ends with its line. */
function parseUnclosed(text, position) {
  const [rest, lineEnd] = text.slice(position).match(/^([^\r\n]*)(\r\n|\r|\n|$)/).slice(1);
  const next = position + rest.length + lineEnd.length;
  return { value: rest.slice(1), next, endsRow: true, isUnclosed: true };
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

/** Yield the rows of a response's byte stream, one array per chunk. */
export async function* readRows(stream, reader) {
  const chunks = stream.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { done, value } = await chunks.read();
    const rows = done ? reader.end() : reader.push(value);
    if (rows.length) yield rows;
    if (done) return;
  }
}

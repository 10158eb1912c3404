// Reads the file that a visitor chose: CSV in the encodings of spreadsheets, or a workbook.

import { Problem } from "./api.js";
import { normalize } from "./cells.js";
import { Reader, SEPARATORS } from "./csv.js";
import { t } from "./words.js";
import { readWorkbook } from "./xlsx.js";

const MAX_BYTES = 100_000_000;
const ZIP = "504b0304";
const OLD_OFFICE = "d0cf11e0"; // .xls and other files of Office before 2007
const UTF16 = { fffe: "utf-16le", feff: "utf-16be" }; // "Unicode text", by its byte order mark

/**
 * Return a file's rows as {line, cells}, the first of which is the header, and whether commas
 * separate its columns. `columnNames` are names of columns that it may have.
 */
export async function readFile(file, columnNames) {
  if (file.size > MAX_BYTES) throw new Problem(t("file.large"));
  const buffer = await file.arrayBuffer();
  const start = toHex(buffer.slice(0, 4));
  if (start === OLD_OFFICE) throw new Problem(t("file.old"));
  if (start === ZIP) return { rows: await readWorkbook(buffer), hasCommas: false };
  return readTable(decode(buffer, UTF16[start.slice(0, 4)]), columnNames);
}

const toHex = (buffer) =>
  [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, "0")).join("");

/** Decode text. What is not UTF-8 was probably written by a spreadsheet in windows-1252. */
function decode(buffer, encoding = "utf-8") {
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(buffer);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return new TextDecoder("windows-1252").decode(buffer);
  }
}

/** Return the rows of CSV text, like `readFile`. */
export function readTable(text, columnNames) {
  const named = text.match(/^sep=([,;\t])(\r\n|\r|\n)/i); // a line for Excel, which hides it
  const table = named ? text.slice(named[0].length) : text;
  const separator = named?.[1] ?? detectSeparator(table, columnNames);
  const reader = new Reader(separator);
  const rows = [...reader.push(table), ...reader.end()];
  return { rows, hasCommas: separator === "," };
}

/** Return the separator under which the header has the most known columns, then the most cells. */
function detectSeparator(text, columnNames) {
  const known = new Set(columnNames.map(normalize));
  let best;
  for (const separator of SEPARATORS) {
    const reader = new Reader(separator);
    const [header] = readFirst(reader, text);
    const found = (header?.cells ?? []).filter((cell) => known.has(normalize(cell))).length;
    const width = header?.cells.length ?? 0;
    if (!best || found > best.found || (found === best.found && width > best.width)) {
      best = { separator, found, width };
    }
  }
  return best.separator;
}

/** Return the rows up to the first that is not empty, without reading a long text to its end. */
function readFirst(reader, text) {
  const PIECE = 10_000;
  for (let start = 0; start < text.length; start += PIECE) {
    const rows = reader.push(text.slice(start, start + PIECE));
    if (rows.length) return rows;
  }
  return reader.end();
}

// Reads the first sheet of an Excel workbook (.xlsx): a zip archive of XML files.

import { Problem } from "./api.js";
import { t } from "./words.js";

const MAX_FILE_BYTES = 100_000_000; // after decompression
const END_OF_ARCHIVE = 0x06054b50;
const END_LENGTH = 22;
const ENTRY = 0x02014b50;
const ENTRY_LENGTH = 46;
const FILE_HEADER_LENGTH = 30;
const DEFLATED = 8;
const DIGITS = 15; // that Excel shows; it stores 6.8 as 6.7999999999999998

/** Return the rows of a workbook's first sheet, as {line, cells}. */
export async function readWorkbook(buffer) {
  const files = listFiles(buffer);
  const readXml = async (path) => {
    const file = files.get(path);
    return file && new DOMParser().parseFromString(await unpack(buffer, file), "text/xml");
  };
  const sheet = await readXml(await findFirstSheet(readXml));
  if (!sheet) throw new Problem(t("file.zip"));
  const texts = await readXml("xl/sharedStrings.xml");
  const shared = texts ? findAll(texts, "si").map(readText) : [];
  const rows = findAll(sheet, "row")
    .map((row, index) => readRow(row, index, shared))
    .filter(({ cells }) => cells.some((cell) => cell !== ""));
  const width = rows.reduce((most, { cells }) => Math.max(most, cells.length), 0);
  // A row ends with its last cell that is not empty; the columns of a table do not.
  for (const { cells } of rows) while (cells.length < width) cells.push("");
  return rows;
}

/** Return the elements with this name, with any prefix. */
const findAll = (parent, name) => [...parent.getElementsByTagNameNS("*", name)];

/** Return the path of the first sheet, which the workbook names by an id. */
async function findFirstSheet(readXml) {
  const workbook = await readXml("xl/workbook.xml");
  const relations = await readXml("xl/_rels/workbook.xml.rels");
  if (!workbook || !relations) return "";
  const [first] = findAll(workbook, "sheet");
  const isId = ({ prefix, localName }) => prefix && localName === "id";
  const id = [...(first?.attributes ?? [])].find(isId);
  const relation = findAll(relations, "Relationship").find(
    (candidate) => candidate.getAttribute("Id") === id?.value,
  );
  const target = relation?.getAttribute("Target") ?? "";
  return target.startsWith("/") ? target.slice(1) : `xl/${target}`;
}

function readRow(row, index, shared) {
  const cells = [];
  for (const cell of findAll(row, "c")) {
    const reference = cell.getAttribute("r");
    const column = reference ? columnIndex(reference) : cells.length;
    while (cells.length < column) cells.push("");
    cells[column] = readValue(cell, shared).trim();
  }
  return { line: Number(row.getAttribute("r") ?? index + 1), cells };
}

/** Return the index of the column in a reference: 1 for "B7". */
function columnIndex(reference) {
  const letters = reference.match(/^[A-Z]+/)?.[0] ?? "";
  return [...letters].reduce((sum, letter) => 26 * sum + letter.charCodeAt(0) - 64, 0) - 1;
}

function readValue(cell, shared) {
  const type = cell.getAttribute("t");
  if (type === "inlineStr") return readText(cell);
  const value = findAll(cell, "v")[0]?.textContent ?? "";
  if (type === "s") return shared[value] ?? "";
  if (type || value === "") return value;
  return String(Number(Number(value).toPrecision(DIGITS)));
}

/** Join the runs of a text, without its phonetic hints. */
const readText = (element) =>
  findAll(element, "t")
    .filter((run) => run.parentNode.localName !== "rPh")
    .map((run) => run.textContent)
    .join("");

/** Return the files of a zip archive by their path: {method, size, start}. */
function listFiles(buffer) {
  const view = new DataView(buffer);
  const files = new Map();
  let end = buffer.byteLength - END_LENGTH;
  while (end >= 0 && view.getUint32(end, true) !== END_OF_ARCHIVE) end--;
  if (end < 0) throw new Problem(t("file.zip"));
  let position = view.getUint32(end + 16, true);
  while (position + ENTRY_LENGTH <= end && view.getUint32(position, true) === ENTRY) {
    const length = (offset) => view.getUint16(position + offset, true);
    const path = new TextDecoder().decode(
      new Uint8Array(buffer, position + ENTRY_LENGTH, length(28)),
    );
    files.set(path, {
      method: length(10),
      size: view.getUint32(position + 20, true),
      start: view.getUint32(position + 42, true),
    });
    position += ENTRY_LENGTH + length(28) + length(30) + length(32);
  }
  return files;
}

async function unpack(buffer, { method, size, start }) {
  const view = new DataView(buffer);
  const names = view.getUint16(start + 26, true) + view.getUint16(start + 28, true);
  const bytes = new Uint8Array(buffer, start + FILE_HEADER_LENGTH + names, size);
  if (method !== DEFLATED) return new TextDecoder().decode(bytes);
  const chunks = new Blob([bytes])
    .stream()
    .pipeThrough(new DecompressionStream("deflate-raw"))
    .getReader();
  const decoder = new TextDecoder();
  let text = "";
  for (let total = 0; ; ) {
    const { done, value } = await chunks.read();
    if (done) return text + decoder.decode();
    total += value.length;
    if (total > MAX_FILE_BYTES) throw new Problem(t("file.large"));
    text += decoder.decode(value, { stream: true });
  }
}

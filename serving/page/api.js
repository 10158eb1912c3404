// The service that this page came from. Whatever goes wrong becomes a Problem whose message is a sentence.

/** The API's name of a prediction's number, whatever the label is called. */
export const PROBABILITY = "fail_probability";

/** Event of the document: the service asks for an API key, and has none or a wrong one. */
export const KEY_WANTED = "key-wanted";

const KEY = "api-key";
const PATIENCE = 10_000; // milliseconds that an answer of a few rows may take

export class Problem extends Error {
  /** `errors` are those of single values: {row, field, message}. */
  constructor(detail, { status = 0, errors = [] } = {}) {
    super(detail);
    this.status = status;
    this.errors = errors;
  }
}

/** Keeps the API key until the tab is closed. */
export function useKey(key) {
  sessionStorage.setItem(KEY, key);
}

/** The JSON answer of GET `path`. */
export async function get(path) {
  return (await ask(path, { signal: AbortSignal.timeout(PATIENCE) })).json();
}

/** The JSON answer of POST `path` with `value` as its body. */
export async function post(path, value, signal) {
  const limits = [AbortSignal.timeout(PATIENCE), ...(signal ? [signal] : [])];
  const headers = { "Content-Type": "application/json" };
  return (await ask(path, { method: "POST", headers, body: JSON.stringify(value), signal: AbortSignal.any(limits) })).json();
}

/** The answer of POST `path` to CSV text, as it comes. */
export function postCsv(path, body, signal) {
  return ask(path, { method: "POST", headers: { "Content-Type": "text/csv" }, body, signal });
}

async function ask(path, options) {
  const key = sessionStorage.getItem(KEY);
  let response;
  try {
    response = await fetch(path, { ...options, headers: { ...options.headers, ...(key && { "X-API-Key": key }) } });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    if (error.name === "TimeoutError") throw new Problem("The service did not answer in time; it may be busy.");
    throw new Problem("The service cannot be reached. The page tries again by itself.");
  }
  if (response.ok) return response;
  if (response.status === 401) document.dispatchEvent(new Event(KEY_WANTED));
  throw await problemOf(response);
}

async function problemOf(response) {
  const { status } = response;
  if (!/json/.test(response.headers.get("Content-Type") ?? "")) return new Problem(`The service answered with status ${status}.`, { status });
  const told = await response.json();
  return new Problem(told.detail ?? told.title ?? `The service answered with status ${status}.`, { status, errors: told.errors ?? [] });
}

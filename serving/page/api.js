// HTTP client of the predictor. All failures are thrown as Problem, with a message to show.

/** Field of the API that holds the probability of the positive outcome. */
export const PROBABILITY = "fail_probability";

/** Event on `document`: the predictor rejected the API key or requires one. */
export const KEY_REQUIRED = "key-required";

const KEY_STORAGE = "api-key";
const TIMEOUT_MS = 10_000;

export class Problem extends Error {
  /** `errors` lists the invalid values: {row, field, message}. */
  constructor(message, { status = 0, errors = [] } = {}) {
    super(message);
    this.status = status;
    this.errors = errors;
  }
}

/** Store the API key for this browser tab. */
export function storeKey(key) {
  sessionStorage.setItem(KEY_STORAGE, key);
}

/** Return the JSON response of GET `path`. */
export async function get(path) {
  return (await request(path, { signal: AbortSignal.timeout(TIMEOUT_MS) })).json();
}

/** Return the JSON response of POST `path` with `value` as its JSON body. */
export async function post(path, value, signal) {
  const signals = [AbortSignal.timeout(TIMEOUT_MS), ...(signal ? [signal] : [])];
  const response = await request(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(value),
    signal: AbortSignal.any(signals),
  });
  return response.json();
}

/** Return the streaming response of POST `path` with CSV as its body. */
export function postCsv(path, body, signal) {
  return request(path, { method: "POST", headers: { "Content-Type": "text/csv" }, body, signal });
}

async function request(path, options) {
  const key = sessionStorage.getItem(KEY_STORAGE);
  const headers = { ...options.headers, ...(key && { "X-API-Key": key }) };
  let response;
  try {
    response = await fetch(path, { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    if (error.name === "TimeoutError") {
      throw new Problem("The predictor did not respond in time. It may be busy.");
    }
    throw new Problem("The predictor cannot be reached. The page retries automatically.");
  }
  if (response.ok) return response;
  if (response.status === 401) document.dispatchEvent(new Event(KEY_REQUIRED));
  throw await readProblem(response);
}

async function readProblem(response) {
  const { status } = response;
  const fallback = `The predictor responded with status ${status}.`;
  if (!/json/.test(response.headers.get("Content-Type") ?? "")) {
    return new Problem(fallback, { status });
  }
  const { detail, title, errors = [] } = await response.json();
  return new Problem(detail ?? title ?? fallback, { status, errors });
}

// HTTP client of the predictor. All failures are thrown as Problem, with a message to show.

import { t } from "./words.js";

/** Field of the API that holds the probability of the positive outcome. */
export const PROBABILITY = "probability";

/** Event on `document`: requests need a login, or the session has ended. */
export const KEY_REQUIRED = "key-required";

/** Event on `document`: an operator stopped all answers; its `detail` says who, when and why. */
export const STOPPED = "stopped";

const TIMEOUT_MS = 10_000;
const BUSY = 503;
const UNREACHABLE = -1;
const TEMPORARY = [UNREACHABLE, 408, 429];
/** Status of a Problem without a response in time. */
export const SLOW = 504;
const RETRY_DELAYS_MS = [500, 1_000, 2_000, 4_000];

export class Problem extends Error {
  /** `errors` lists what is invalid: {row, field, message}. `kind` is that of an invalid file. */
  constructor(message, { status = 0, errors = [], kind, stopped } = {}) {
    super(message);
    Object.assign(this, { status, errors, kind, stopped });
  }

  /** Whether the same request may succeed later: nothing is wrong with the request itself. */
  get isTemporary() {
    return this.status >= 500 || TEMPORARY.includes(this.status);
  }
}

/** Exchange an API key for a session cookie, which scripts cannot read. */
export async function logIn(key) {
  await request("session", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ key }),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
}

/** End the session on all pods. */
export async function logOut() {
  await request("session", { method: "DELETE", signal: AbortSignal.timeout(TIMEOUT_MS) });
}

/** Return the JSON response of GET `path`. */
export async function get(path) {
  return readJson(await request(path, { signal: AbortSignal.timeout(TIMEOUT_MS) }));
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
  return readJson(response);
}

/** Return the streaming response of POST `path` with CSV as its body. */
export function postCsv(path, body, signal) {
  return request(path, { method: "POST", headers: { "Content-Type": "text/csv" }, body, signal });
}

/**
 * Return what `send` returns. While the predictor is busy, call `onBusy`, wait, and send again,
 * with a longer pause each time. The pauses are random, so that clients do not return together.
 */
export async function retryWhileBusy(send, signal, onBusy = () => {}) {
  for (const delay of RETRY_DELAYS_MS) {
    try {
      return await send();
    } catch (error) {
      if (error.status !== BUSY || error.stopped) throw error;
    }
    onBusy();
    await pause(delay * (0.75 + Math.random() / 2), signal);
  }
  return send();
}

function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal?.aborted) abort();
    signal?.addEventListener("abort", abort, { once: true });
    setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, milliseconds);
  });
}

async function request(path, options) {
  let response;
  try {
    // A login proxy then responds with 401 to an expired login, not with a redirect.
    const headers = { Accept: "application/json, */*", ...options.headers };
    response = await fetch(path, { ...options, headers });
  } catch (error) {
    throw toProblem(error);
  }
  if (response.ok) return response;
  if (response.status === 401) document.dispatchEvent(new Event(KEY_REQUIRED));
  const problem = await readProblem(response);
  if (problem.stopped) {
    document.dispatchEvent(new CustomEvent(STOPPED, { detail: problem.stopped }));
  }
  throw problem;
}

/** The response can end, or the time run out, after its headers. */
async function readJson(response) {
  try {
    return await response.json();
  } catch (error) {
    throw toProblem(error);
  }
}

function toProblem(error) {
  if (error.name === "AbortError") return error;
  if (error.name === "TimeoutError") return new Problem(t("api.slow"), { status: SLOW });
  return new Problem(t("api.unreachable"), { status: UNREACHABLE });
}

async function readProblem(response) {
  const { status } = response;
  const fallback = t("api.status", { status: String(status) });
  if (!/json/.test(response.headers.get("Content-Type") ?? "")) {
    return new Problem(fallback, { status });
  }
  const { detail, title, errors = [], stopped, roles } = await response.json();
  const message = roles ? describeRoles(roles) : (detail ?? title ?? fallback);
  return new Problem(message, { status, errors, stopped });
}

/** Say that one of these roles is missing. Every role may look at the page. */
function describeRoles(roles) {
  const word = roles.includes("viewer") ? "api.noRole" : "api.role";
  return t(word, { roles: roles.join(", ") });
}

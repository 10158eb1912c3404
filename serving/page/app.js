// The page: the data dictionary is asked for once, and everything is drawn from it.

import { Problem, get, useKey } from "./api.js";
import { List } from "./list.js";
import { Model } from "./model.js";
import { find, tell } from "./text.js";
import { WhatIf } from "./whatif.js";

const AGAIN = 3_000; // milliseconds until a service that could not be reached is tried again

find("access").addEventListener("submit", (event) => {
  event.preventDefault();
  useKey(find("key").value);
  start();
});

async function start() {
  let columns;
  try {
    columns = await get("columns");
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    tell(find("trouble"), error.message);
    if (error.status === 401) askForKey();
    else setTimeout(start, AGAIN);
    return;
  }
  tell(find("trouble"), "");
  find("access").hidden = true;
  draw(columns);
}

function askForKey() {
  find("access").hidden = false;
  find("key").focus();
}

function draw(columns) {
  const whatIf = new WhatIf(columns);
  const names = columns.features.map(({ name }) => name);
  new List(columns, (values) => {
    whatIf.show(row(columns, names, values));
    find("one").scrollIntoView();
    find("fields").querySelector("input, select").focus({ preventScroll: true });
  });
  const model = new Model(() => whatIf.ask());
  whatIf.answered = (answering) => model.met(answering);
  whatIf.show(whatIf.example);
}

/** A row of a list as the form takes it: categories by name. */
function row(columns, names, values) {
  const named = columns.features.map((feature, index) => {
    if (feature.kind === "number") return values[index];
    return Object.keys(feature.codes).find((name) => name === values[index] || feature.codes[name] === Number(values[index]));
  });
  return Object.fromEntries(names.map((name, index) => [name, named[index]]));
}

start();

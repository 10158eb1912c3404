// The page: the data dictionary is asked for once, and everything is drawn from it.

import { KEY_WANTED, Problem, get, useKey } from "./api.js";
import { List } from "./list.js";
import { Model } from "./model.js";
import { find, nameOf, scaleEnd, tell } from "./text.js";
import { WhatIf } from "./whatif.js";

const AGAIN = 3_000; // milliseconds until a service that could not be reached is tried again

async function start() {
  let columns;
  try {
    columns = await get("columns");
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    tell(find("trouble"), error.message);
    setTimeout(start, AGAIN);
    return;
  }
  tell(find("trouble"), "");
  draw(columns);
}

function draw(columns) {
  const whatIf = new WhatIf(columns);
  const list = new List(columns, (values) => {
    whatIf.show(row(columns, values));
    find("one").scrollIntoView();
    find("fields").querySelector("input, select").focus({ preventScroll: true });
  });
  const model = new Model(() => whatIf.ask());
  whatIf.answered = (answer) => {
    model.met(answer.model);
    list.ranking.end = scaleEnd(answer.threshold);
  };
  whatIf.show(whatIf.example);
  document.addEventListener(KEY_WANTED, () => {
    find("access").hidden = false;
  });
  find("access").addEventListener("submit", (event) => {
    event.preventDefault();
    find("access").hidden = true;
    useKey(find("key").value);
    whatIf.ask();
  });
}

/** A row of a list as the form takes it: categories by name. */
function row(columns, values) {
  const value = (feature, written) => (feature.kind === "number" ? written : nameOf(feature, written));
  return Object.fromEntries(columns.features.map((feature, index) => [feature.name, value(feature, values[index])]));
}

start();

// Entry point of the page: loads the data dictionary and builds the three sections from it.

import { KEY_REQUIRED, Problem, get, storeKey } from "./api.js";
import { List } from "./list.js";
import { Model } from "./model.js";
import { categoryName, find, scaleEnd, showText } from "./text.js";
import { WhatIf } from "./whatif.js";

const RETRY_MS = 3_000;

async function start() {
  let columns;
  try {
    columns = await get("columns");
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    showText(find("trouble"), error.message);
    setTimeout(start, RETRY_MS);
    return;
  }
  showText(find("trouble"), "");
  build(columns);
}

function build(columns) {
  const whatIf = new WhatIf(columns);
  const list = new List(columns, (values) => {
    whatIf.show(toRow(columns, values));
    find("one").scrollIntoView();
    find("fields").querySelector("input, select").focus({ preventScroll: true });
  });
  const model = new Model(() => whatIf.predict());
  whatIf.onResponse = (response) => {
    model.reloadIfChanged(response.model);
    list.ranking.scaleEnd = scaleEnd(response.threshold);
  };
  whatIf.show(whatIf.example);
  document.addEventListener(KEY_REQUIRED, () => {
    find("access").hidden = false;
  });
  find("access").addEventListener("submit", (event) => {
    event.preventDefault();
    find("access").hidden = true;
    storeKey(find("key").value);
    whatIf.predict();
  });
}

/** Convert the cells of a list's row to the values of the form: categories by name. */
function toRow(columns, values) {
  const convert = (feature, text) =>
    feature.kind === "number" ? text : categoryName(feature, text);
  return Object.fromEntries(
    columns.features.map((feature, index) => [feature.name, convert(feature, values[index])]),
  );
}

start();

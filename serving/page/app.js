// Entry point of the page: loads the words and the data dictionary, and builds the sections.

import { Problem, get } from "./api.js";
import { List } from "./list.js";
import { Login } from "./login.js";
import { Model } from "./model.js";
import { Risk } from "./risk.js";
import { StopBanner } from "./stopped.js";
import { find, make, showText } from "./text.js";
import { WhatIf } from "./whatif.js";
import { LANGUAGES, loadLanguage, preferredLanguage, storeLanguage } from "./words.js";

const RETRY_MS = 3_000;
const UNAUTHORIZED = 401;

const login = new Login();
let sections = [];

/** Load the columns and build the page. Without a login, the page asks for one and starts again. */
async function start() {
  let columns;
  try {
    columns = await get("columns");
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    find("serving").textContent = "";
    showText(find("trouble"), error.status === UNAUTHORIZED ? "" : error.message);
    if (error.isTemporary) setTimeout(start, RETRY_MS);
    return;
  }
  showText(find("trouble"), "");
  build(columns);
}

function build(columns) {
  find("name").textContent = document.title = columns.title;
  const risk = new Risk(columns);
  const whatIf = new WhatIf(risk);
  const list = new List(risk, (row, goBack) => {
    whatIf.show(row.values, row.name, goBack);
    find("one").scrollIntoView();
    find("fields").querySelector("input, select").focus({ preventScroll: true });
  });
  const model = new Model(risk, () => {
    whatIf.arrange();
    list.refresh();
    whatIf.predict();
  });
  whatIf.onResponse = (result) => model.reloadIfChanged(result.model);
  const predict = () => whatIf.predict();
  const banner = new StopBanner(predict);
  login.onLogin = () => {
    model.load();
    predict();
  };
  sections = [whatIf, list, model, banner];
  whatIf.show(whatIf.example);
}

const preferred = preferredLanguage();
find("language").replaceChildren(
  ...Object.entries(LANGUAGES).map(([tag, name]) =>
    make("option", { value: tag, lang: tag, selected: tag === preferred }, name),
  ),
);
find("language").addEventListener("change", async ({ target }) => {
  storeLanguage(target.value);
  await loadLanguage(target.value);
  for (const section of [login, ...sections]) section.translate();
});
await loadLanguage(preferred);
login.onLogin = start;
login.refresh();
start();

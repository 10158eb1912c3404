// The form for one row, built from the data dictionary. A category gets buttons or a select.

import { describeInvalid, isValid } from "./cells.js";
import { makeHead, makeHint, makeLabel } from "./fields.js";
import { makeNumber } from "./number.js";
import { Sections } from "./sections.js";
import { categoryTitle, make, toTitle } from "./text.js";
import { t } from "./words.js";

const BLANK = ""; // value of the choice for no category
const MAX_BUTTONS = 5; // a category with more values gets a select

export class Form {
  /** `onChange` is called after every change of a value. */
  constructor(container, features, onChange) {
    this.fields = new Map(features.map((feature) => [feature.name, makeField(feature, onChange)]));
    const elements = new Map([...this.fields].map(([name, { element }]) => [name, element]));
    this.sections = new Sections(container, features, elements);
  }

  /** Arrange the fields by the `importance` of GET /model: {name: number}, largest first. */
  arrange(importance) {
    this.sections.arrange(importance);
  }

  /** The row as the API accepts it. A field without a value gives null. */
  get values() {
    return Object.fromEntries([...this.fields].map(([name, { read }]) => [name, read()]));
  }

  set values(row) {
    for (const [name, { write }] of this.fields) if (row[name] !== undefined) write(row[name]);
  }

  /** Show what is wrong with each value. Return whether all are valid. */
  check() {
    const checks = [...this.fields.values()].map(({ check }) => check());
    return checks.every(Boolean);
  }

  /** Show warnings at their fields, as a map from the field's name to the text. */
  showWarnings(texts) {
    for (const [name, { showWarning }] of this.fields) showWarning(texts.get(name) ?? "");
  }

  translate() {
    for (const { translate } of this.fields.values()) translate();
    this.sections.translate();
  }
}

function makeField(feature, onChange) {
  const id = `field-${feature.name}`;
  const makeInput = feature.kind === "number" ? makeNumber : makeCategory;
  const field = makeInput(feature, id, onChange);
  const { role, parts, inputs, read, write, translate = () => {} } = field;
  const error = make("p", { class: "error", id: `${id}-error`, "aria-live": "polite" });
  const warning = make("p", { class: "warning", id: `${id}-warning`, "aria-live": "polite" });
  const attributes = { class: "field", role, "aria-labelledby": role && `${id}-label` };
  const element = make("div", attributes, ...parts, error, warning);
  const described = `${id}-hint ${id}-error ${id}-warning`;
  for (const input of inputs) input.setAttribute("aria-describedby", described);
  const check = () => {
    const value = read();
    const valid =
      value === null ? !feature.required : feature.kind !== "number" || isValid(feature, value);
    error.textContent = valid ? "" : describeInvalid(feature, value, toTitle(feature.name));
    for (const input of inputs) {
      if (valid) input.removeAttribute("aria-invalid");
      else input.setAttribute("aria-invalid", "true");
    }
    return valid;
  };
  const showWarning = (text) => (warning.textContent = text);
  translate();
  return { element, read, write, check, showWarning, translate };
}

function makeCategory(feature, id, onChange) {
  const names = Object.keys(feature.codes);
  if (!feature.required) names.push(BLANK);
  const makeInput = names.length > MAX_BUTTONS ? makeSelect : makeButtons;
  return makeInput(feature, id, names, onChange);
}

function makeSelect(feature, id, names, onChange) {
  const options = names.map((name) =>
    make("option", { value: name }, titleOf(feature, name)),
  );
  const select = make("select", { id, change: onChange }, ...options);
  return {
    parts: [makeHead(makeLabel(feature, id)), makeHint(feature, id), select],
    inputs: [select],
    read: () => select.value || null,
    write: (value) => (select.value = value ?? BLANK),
    translate: () => translateBlank(feature, options.at(-1)),
  };
}

function makeButtons(feature, id, names, onChange) {
  const radios = names.map((name) =>
    make("input", { type: "radio", name: id, id: `${id}-${name}`, value: name, change: onChange }),
  );
  const labels = radios.map((radio, index) =>
    make("label", {}, radio, make("span", {}, titleOf(feature, names[index]))),
  );
  const title = make("span", { class: "label", id: `${id}-label` }, toTitle(feature.name));
  const choices = make("div", { class: "choices" }, ...labels);
  return {
    role: "radiogroup",
    parts: [makeHead(title), makeHint(feature, id), choices],
    inputs: radios,
    read: () => radios.find((radio) => radio.checked)?.value || null,
    write: (value) => {
      for (const radio of radios) radio.checked = radio.value === (value ?? BLANK);
    },
    translate: () => translateBlank(feature, labels.at(-1).lastChild),
  };
}

const titleOf = (feature, name) => (name === BLANK ? "" : categoryTitle(feature, name));

/** Write the word for a blank into the last choice of a category that may be blank. */
function translateBlank(feature, element) {
  if (!feature.required) element.textContent = t("form.blank");
}

// The form of one row, made from the data dictionary alone: a slider and a box for a number, buttons or a list for a category.

import { choice, make, plain, title } from "./text.js";

const MOST_BUTTONS = 5; // more categories than this are a list

export class Form {
  /** `changed` is called after every change of a value. */
  constructor(place, features, changed) {
    this.fields = new Map(features.map((feature) => [feature.name, field(feature, changed)]));
    place.replaceChildren(...[...this.fields.values()].map(({ element }) => element));
  }

  /** The row as the API takes it; a box that holds no number gives null. */
  get values() {
    return Object.fromEntries([...this.fields].map(([name, { read }]) => [name, read()]));
  }

  set values(row) {
    for (const [name, { write }] of this.fields) if (row[name] != null) write(row[name]);
  }

  /** Shows each error beside its field; returns those that belong to none. */
  show(errors) {
    const left = [];
    const told = new Map();
    for (const error of errors) {
      if (this.fields.has(error.field)) told.set(error.field, error.message);
      else left.push(error);
    }
    for (const [name, { complain }] of this.fields) complain(told.get(name) ?? "");
    return left;
  }
}

function field(feature, changed) {
  const id = `field-${feature.name}`;
  const made = feature.kind === "number" ? number(feature, id, changed) : category(feature, id, changed);
  const error = make("p", { class: "error", id: `${id}-error`, "aria-live": "polite" });
  const element = make("div", { class: "field", role: made.role, "aria-labelledby": made.role && `${id}-label` }, ...made.parts, error);
  for (const input of made.inputs) input.setAttribute("aria-describedby", `${id}-hint ${id}-error`);
  const complain = (text) => {
    error.textContent = text;
    for (const input of made.inputs) input.removeAttribute("aria-invalid");
    if (text) for (const input of made.inputs) input.setAttribute("aria-invalid", "true");
  };
  return { element, read: made.read, write: made.write, complain };
}

function number(feature, id, changed) {
  const [low, high] = feature.typical;
  const scale = { min: low, max: high, step: feature.step };
  const slider = make("input", { type: "range", id: `${id}-slider`, ...scale, "aria-labelledby": `${id}-label` });
  const box = make("input", {
    type: "number", id, min: feature.low, max: feature.high, step: feature.step, inputmode: feature.step % 1 ? "decimal" : "numeric",
  });
  const fill = () => slider.style.setProperty("--share", `${(100 * (slider.value - low)) / (high - low)}%`);
  const write = (value) => {
    box.value = value;
    slider.value = value;
    fill();
  };
  slider.addEventListener("input", () => {
    box.value = slider.value;
    fill();
    changed();
  });
  box.addEventListener("input", () => {
    if (box.value !== "") slider.value = box.value;
    fill();
    changed();
  });
  const head = make(
    "div", { class: "field-head" },
    make("label", { for: id, id: `${id}-label` }, title(feature.name)),
    make("span", { class: "box" }, box, make("span", { class: "unit" }, feature.unit)),
  );
  const ends = make("p", { class: "ends", "aria-hidden": "true" }, make("span", {}, plain(low)), make("span", {}, plain(high)));
  const read = () => (box.value === "" ? null : Number(box.value));
  return { parts: [head, hint(feature, id), slider, ends], inputs: [box, slider], read, write };
}

function category(feature, id, changed) {
  const names = Object.keys(feature.codes);
  return names.length > MOST_BUTTONS ? list(feature, id, names, changed) : buttons(feature, id, names, changed);
}

function list(feature, id, names, changed) {
  const select = make("select", { id, change: changed }, ...names.map((name) => make("option", { value: name }, choice(feature, name))));
  const head = make("div", { class: "field-head" }, make("label", { for: id, id: `${id}-label` }, title(feature.name)));
  return { parts: [head, hint(feature, id), select], inputs: [select], read: () => select.value, write: (value) => (select.value = value) };
}

function buttons(feature, id, names, changed) {
  const radios = names.map((name) => make("input", { type: "radio", name: id, id: `${id}-${name}`, value: name, change: changed }));
  const labels = radios.map((radio, index) => make("label", {}, radio, make("span", {}, choice(feature, names[index]))));
  const head = make("div", { class: "field-head" }, make("span", { class: "label", id: `${id}-label` }, title(feature.name)));
  const read = () => radios.find((radio) => radio.checked)?.value ?? null;
  const write = (value) => {
    for (const radio of radios) radio.checked = radio.value === value;
  };
  return { role: "radiogroup", parts: [head, hint(feature, id), make("div", { class: "choices" }, ...labels)], inputs: radios, read, write };
}

const hint = (feature, id) => make("p", { class: "hint", id: `${id}-hint` }, feature.description);

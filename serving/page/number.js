// The field of a number: a slider and a box, one or two dates if the number is the time between
// them, and a check box if the number may be unknown.

import { fixedDay, formatDay, isBetween, measureTime, parseDay, startDay } from "./dates.js";
import { makeHead, makeHint, makeLabel } from "./fields.js";
import { formatNumber, make } from "./text.js";
import { t } from "./words.js";

export function makeNumber(feature, id, onChange) {
  const slider = makeSlider(feature, id);
  const box = makeBox(feature, id);
  const show = (value) => {
    box.value = value ?? "";
    if (value !== null) slider.value = value;
    updateTrack(slider);
  };
  const read = () => (box.value === "" ? null : Number(box.value));
  const dates = makeDates(feature, id, (value) => {
    show(value);
    blank.show(value);
    onChange();
  });
  const blank = makeBlank(feature, id, (isBlank) => {
    write(isBlank ? null : Number(slider.value));
    onChange();
  });
  const follow = () => {
    dates.show(read());
    blank.show(read());
    onChange();
  };
  const write = (value) => {
    show(value);
    dates.show(value);
    blank.show(value);
  };
  slider.addEventListener("input", () => {
    show(Number(slider.value));
    follow();
  });
  box.addEventListener("input", () => {
    if (box.value !== "") slider.value = box.value;
    updateTrack(slider);
    follow();
  });
  const unit = make("span", { class: "unit" }, feature.unit);
  const head = makeHead(makeLabel(feature, id), make("span", { class: "box" }, box, unit));
  const [start, end] = [make("span"), make("span")];
  const ends = make("p", { class: "ends", "aria-hidden": "true" }, start, end);
  return {
    parts: [head, makeHint(feature, id), slider, ends, ...dates.parts, ...blank.parts],
    inputs: [box, slider, ...dates.inputs],
    read,
    write,
    translate: () => {
      const [low, high] = feature.typical;
      start.textContent = formatNumber(low);
      end.textContent = formatNumber(high);
      blank.translate();
    },
  };
}

function makeSlider(feature, id) {
  const [low, high] = feature.typical;
  return make("input", {
    type: "range",
    id: `${id}-slider`,
    min: low,
    max: high,
    step: feature.step,
    "aria-labelledby": `${id}-label`,
  });
}

function makeBox(feature, id) {
  return make("input", {
    type: "number",
    id,
    min: feature.low,
    max: feature.high,
    step: feature.step,
    inputmode: feature.step % 1 ? "decimal" : "numeric",
  });
}

function updateTrack(slider) {
  const fraction = (slider.value - slider.min) / (slider.max - slider.min);
  slider.style.setProperty("--fraction", `${100 * fraction}%`);
}

/**
 * Make the inputs of the dates that the number is the time between. `onNumber` is called with the
 * number when they change.
 */
function makeDates(feature, id, onNumber) {
  if (!feature.until) return { parts: [], inputs: [], show: () => {} };
  const end = fixedDay(feature);
  const limits =
    end === undefined
      ? {}
      : {
          min: formatDay(startDay(feature, feature.high, end)),
          max: formatDay(startDay(feature, feature.low, end)),
        };
  const names = isBetween(feature) ? [feature.raw, feature.until] : [feature.raw];
  const inputs = names.map((_, index) =>
    make("input", { type: "date", id: `${id}-date-${index}`, ...limits, input: () => pass() }),
  );
  const pass = () => {
    const days = [...inputs.map(({ value }) => parseDay(value)), end];
    if (days[0] !== undefined && days[1] !== undefined) onNumber(measureTime(feature, ...days));
    else if (end !== undefined) onNumber(null);
  };
  const fields = inputs.map((input, index) =>
    make("label", {}, make("span", {}, names[index]), input),
  );
  const show = (number) => {
    const isKnown = end !== undefined && number !== null;
    for (const input of inputs) {
      input.value = isKnown ? formatDay(startDay(feature, number, end)) : "";
    }
  };
  return { parts: [make("div", { class: "dates" }, ...fields)], inputs, show };
}

/** Make the check box for an unknown number. `onChoice` is called with whether it is checked. */
function makeBlank(feature, id, onChoice) {
  if (feature.required) return { parts: [], show: () => {}, translate: () => {} };
  const box = make("input", {
    type: "checkbox",
    id: `${id}-blank`,
    change: ({ target }) => onChoice(target.checked),
  });
  const text = make("span");
  return {
    parts: [make("label", { class: "blank" }, box, text)],
    show: (value) => (box.checked = value === null),
    translate: () => (text.textContent = t("form.blank")),
  };
}

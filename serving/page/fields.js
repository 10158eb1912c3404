// Parts that all fields of the form have.

import { make, toTitle } from "./text.js";

export const makeHead = (...parts) => make("div", { class: "field-head" }, ...parts);

export const makeLabel = (feature, id) =>
  make("label", { for: id, id: `${id}-label` }, toTitle(feature.name));

export const makeHint = (feature, id) =>
  make("p", { class: "hint", id: `${id}-hint` }, feature.description);

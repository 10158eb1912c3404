// The API's documentation: Swagger UI on the OpenAPI document of the predictor.

import { find, make } from "./text.js";
import { loadLanguage, preferredLanguage, t } from "./words.js";

const { status } = await fetch("openapi.json");
if (status === 401) {
  await loadLanguage(preferredLanguage());
  find("swagger").append(make("a", { href: "./" }, t("login.docs")));
} else {
  window.SwaggerUIBundle({
    url: "openapi.json",
    dom_id: "#swagger",
    deepLinking: true,
    displayRequestDuration: true,
    defaultModelsExpandDepth: 0,
    tryItOutEnabled: true,
    validatorUrl: null, // the default requests a badge from the internet
  });
}

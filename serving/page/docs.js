// The API's documentation: Swagger UI on the OpenAPI document of the predictor.

const { status } = await fetch("openapi.json");
if (status === 401) {
  const link = Object.assign(document.createElement("a"), { href: "./", textContent: "Log in" });
  document.getElementById("swagger").append(link, " to read the documentation, then open it again.");
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

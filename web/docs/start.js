// Starts the viewer. Each API that is served here is one document of its list.
"use strict";

const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();

/** Our name in the place of the viewer's, whose picture brings a style sheet that our policy forbids. */
const OwnName = ({ React }) => ({
  components: { Logo: () => React.createElement("strong", { className: "own-name" }, "kmsd API reference") },
});

SwaggerUIBundle({
  urls: [{ name: "Huawei Cloud KMS and IAM", url: "/openapi.yaml" }],
  dom_id: "#reference",
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  filter: true,
  // Nothing goes to anybody else, and what one authorizes with is forgotten with the page.
  validatorUrl: null,
  persistAuthorization: false,
  queryConfigEnabled: false,
  presets: [SwaggerUIBundle.presets.apis, SwaggerUIStandalonePreset],
  plugins: [SwaggerUIBundle.plugins.DownloadUrl, OwnName],
  layout: "StandaloneLayout",
});

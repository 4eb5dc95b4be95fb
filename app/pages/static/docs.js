// Earlier versions kept the typed password and its token here.
localStorage.removeItem("authorized");

// Requests go to where this page is: through a tunnel that is not the public address.
const here = new URL(".", location.href).href;

fetch("openapi.json")
  .then((answer) => answer.json())
  .then((spec) =>
    SwaggerUIBundle({
      spec: { ...spec, servers: [{ url: here }] },
      dom_id: "#swagger-ui",
      deepLinking: true,
      validatorUrl: null,
      presets: [SwaggerUIBundle.presets.apis],
    }),
  );

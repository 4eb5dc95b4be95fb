// Uses /docs as a person does: authorise, then 'Try it out'. Takes the page's URL, address and password.
import { JSDOM, CookieJar, VirtualConsole } from "jsdom";

const [page, username, password] = process.argv.slice(2);
const below = new URL(".", page).href;
const sent = [];
const dom = await JSDOM.fromURL(page, {
  runScripts: "dangerously",
  resources: "usable",
  pretendToBeVisual: true,
  virtualConsole: new VirtualConsole(),
  beforeParse(window) {
    window.localStorage.setItem("authorized", '{"password": "of an earlier version"}');
    window.fetch = (input, options = {}) => {
      const url = new URL(typeof input === "string" ? input : input.url, window.location.href).href;
      sent.push(url);
      return fetch(url, { ...options, headers: { ...options.headers } });
    };
    Object.assign(window, { Headers, Request, Response, structuredClone });
  },
});
const { document } = dom.window;

async function find(selector, text = "") {
  const until = Date.now() + 30_000;
  for (;;) {
    for (const found of document.querySelectorAll(selector)) {
      if (found.textContent.includes(text)) return found;
    }
    if (Date.now() > until) throw new Error(`nothing like ${selector} ${text}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function type(input, value) {
  const set = Object.getOwnPropertyDescriptor(dom.window.HTMLInputElement.prototype, "value").set;
  set.call(input, value);
  input.dispatchEvent(new dom.window.Event("input", { bubbles: true }));
  input.dispatchEvent(new dom.window.Event("change", { bubbles: true }));
}

(await find("button.authorize", "Authorize")).click();
type(await find("input#oauth_username"), username);
type(await find("input#oauth_password"), password);
(await find(".modal-ux button.authorize", "Authorize")).click();
await find(".modal-ux button", "Logout");
(await find(".modal-ux button", "Close")).click();
(await find("#operations-users-get_me .opblock-summary-control")).click();
(await find("#operations-users-get_me button.try-out__btn")).click();
(await find("#operations-users-get_me button.execute")).click();
await find("#operations-users-get_me .live-responses-table", username);

const kept = JSON.stringify({ ...dom.window.localStorage, ...dom.window.sessionStorage });
if (kept !== "{}" || document.cookie !== "") throw new Error(`kept: ${kept} ${document.cookie}`);
for (const url of sent) {
  if (!url.startsWith(below)) throw new Error(`sent to ${url}`);
}
for (const path of ["openapi.json", "auth/jwt/login", "users/me"]) {
  if (!sent.includes(below + path)) throw new Error(`not sent: ${path} in ${sent}`);
}
console.log("done");
process.exit(0);

// The frame around the pages, and which page is shown. Where one is stands after the # of the
// address: never a token, never a tenant's text.

import { keystores, learn, onExpiry, projects, signOut, who } from "./api.js";
import { detailPage } from "./detail.js";
import { fill, h, notice, openDialog, refusal, select } from "./dom.js";
import { Keys } from "./keys.js";
import { listPage, newView } from "./list.js";
import { enterProject, signInAgain, signInPage } from "./sign-in.js";

const root = h("div", { id: "root" });
document.body.prepend(root);

let keys = null;
let views = null;
let page = null;
let last = null;

onExpiry(signInAgain);

function startSession() {
  keys = new Keys();
  // For their names. Who may not read them sees ids.
  keystores().catch(() => {});
  views = { custom: newView(false), defaults: newView(true) };
}

function showSignIn() {
  leave();
  document.title = "Sign in – kmsd console";
  fill(root, signInPage(last, async () => {
    await learn();
    last = who();
    startSession();
    show();
  }));
  const empty = [...root.querySelectorAll("input")].find((input) => input.value === "");
  (empty ?? root.querySelector("h1")).focus();
}

function leave() {
  page?.leave();
  page = null;
}

function route() {
  const [, place, id, tab] = location.hash.split("/");
  if (place === "keys" && /^[0-9a-z-]{36}$/.test(id ?? "")) return () => detailPage(keys, id, tab);
  if (place === "default-keys") return () => listPage(keys, views.defaults);
  return () => listPage(keys, views.custom);
}

function show() {
  if (!who()) {
    showSignIn();
    return;
  }
  leave();
  page = route()();
  document.title = `${page.title} – kmsd console`;
  fill(root, h("a", { class: "skip", href: "#main", onclick: skip }, "Skip to content"), header(), page.element);
  page.element.querySelector("h1")?.focus();
}

function skip(event) {
  event.preventDefault();
  root.querySelector("main h1")?.focus();
}

function header() {
  const { user, domain, project, projectId } = who();
  const here = (place) => (location.hash.startsWith(place) ? "page" : null);
  const choose = select([[projectId, project]], { "aria-label": "Project" }, projectId);
  projects().then((all) => {
    if (all.length < 2) return;
    fill(choose, all.map(({ id, name }) => h("option", { value: id }, name)));
    choose.value = projectId;
  }, () => {});
  choose.addEventListener("change", async () => {
    try {
      await enterProject(choose.value);
      last = who();
      startSession();
      location.hash = "#/keys";
      show();
      notice(`You are now in ${who().project}.`);
    } catch (error) {
      choose.value = projectId;
      openDialog("The project cannot be entered", (close) => h("div", {}, refusal(error),
        h("div", { class: "buttons" }, h("button", { type: "button", class: "primary", onclick: close }, "Close"))));
    }
  });
  const defaults = here("#/default-keys");
  return h("header", {},
    h("strong", { class: "product" }, "kmsd"),
    h("nav", { "aria-label": "Pages" },
      h("a", { href: "#/keys", "aria-current": defaults ? null : "page" }, "Custom keys"),
      h("a", { href: "#/default-keys", "aria-current": defaults }, "Default keys"),
      h("a", { href: "/docs", target: "_blank", rel: "noopener" }, "API reference ↗")),
    h("div", { class: "session" },
      h("label", { class: "inline" }, h("span", {}, "Project "), choose),
      h("span", { class: "quiet" }, `${user} · ${domain}`),
      h("button", {
        type: "button",
        class: "small",
        onclick: async () => {
          await signOut();
          location.hash = "";
          showSignIn();
        },
      }, "Sign out")));
}

addEventListener("hashchange", () => { if (who()) show(); });
show();

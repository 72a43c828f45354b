// One key: what there is to say about it, and its tabs.

import { keystoreName, kms, offers, serves } from "./api.js";
import { aliasesTab } from "./aliases.js";
import { auditTab } from "./audit.js";
import { copyButton, dialogForm, dialogIsOpen, field, fill, h, keepingFocus, notice, openDialog, refusal } from "./dom.js";
import { grantsTab } from "./grants.js";
import { describe } from "./keys.js";
import { keyButtons, stateBadge } from "./list.js";
import { rotationTab } from "./rotation.js";
import { isDefault } from "./rules.js";
import { tagsTab } from "./tags.js";
import { toolTab } from "./tool.js";
import { left, moment, originWords, usageWords } from "./words.js";

const TABS = [
  { name: "tool", words: "Tool", make: toolTab, there: () => offers("encrypt-data") },
  { name: "rotation", words: "Rotation", make: rotationTab, there: () => offers("get-key-rotation-status") },
  { name: "grants", words: "Grants", make: grantsTab, there: () => offers("list-grants") },
  { name: "tags", words: "Tags", make: tagsTab, there: () => offers("{key_id}/tags", "get") },
  { name: "aliases", words: "Aliases", make: aliasesTab, there: () => offers("aliases", "get") },
  { name: "audit", words: "Audit trail", make: auditTab, there: () => serves("/kmsd/v1/{project_id}/keys/{key_id}/audit", "get") },
];

const EVERY = 30_000;

/** The page of a key, with the tab of this name open. */
export function detailPage(keys, id, tabName) {
  const main = h("main", { id: "main" }, h("h1", { tabindex: "-1" }, "Key"), h("p", { role: "status" }, "Loading …"));
  const tabs = TABS.filter((tab) => tab.there());
  let key = null;
  let open = tabs.find((tab) => tab.name === tabName) ?? tabs[0];
  const head = h("div", {});
  const fault = h("div", {});
  const panel = h("div", { role: "tabpanel", id: "panel", tabindex: "0" });
  const strip = h("div", { role: "tablist", "aria-label": "About this key" });

  const done = () => load();
  const changed = (id, members) => keys.put(id, members);

  async function load() {
    try {
      const before = key;
      key = await describe(id);
      keys.put(id, key);
      fill(fault);
      if (before === null) {
        fill(main, head, fault, strip, panel);
        showTab(open);
        if (!dialogIsOpen()) main.querySelector("h1")?.focus();
      } else if (before.key_state !== key.key_state) showTab(open);
      renderHead();
      document.title = `${key.key_alias} – kmsd console`;
    } catch (error) {
      if (key === null || error.status === 404) {
        fill(main, back(), h("h1", { tabindex: "-1" }, error.status === 404 ? "There is no such key" : "The key cannot be shown"),
          refusal(error),
          error.status === 404 && h("p", {}, `No key ${id} is in this project; it may have been destroyed.`));
      } else fill(fault, refusal(error));
    }
  }

  const back = () => h("a", { class: "back", href: key && isDefault(key) ? "#/default-keys" : "#/keys" }, "← All keys");

  function renderHead() {
    const leaving = key.key_state === "4";
    const editable = !isDefault(key) && !leaving;
    const edit = (name, words, onclick) => editable && h("button", {
      type: "button", class: "small", "data-focus": `edit:${name}`, "aria-label": words, onclick,
    }, "Edit");
    const facts = [
      ["Status", stateBadge(key)],
      ["ID", [h("span", { class: "mono" }, key.key_id), " ", copyButton(key.key_id, "Copy", "Copy the ID")]],
      ["Algorithm", key.key_spec],
      ["Usage", usageWords(key.key_usage)],
      ["Origin", originWords(key.origin)],
      ["Created", moment(key.creation_date)],
      ["Keystore", keystoreName(key.keystore_id)],
      ["Region", key.realm],
      ["Enterprise project", key.sys_enterprise_project_id === "0" ? "default" : key.sys_enterprise_project_id],
      key.scheduled_deletion_date && ["To be destroyed", moment(key.scheduled_deletion_date)],
      key.origin === "external" && ["Material expires", key.expiration_time ? `${moment(key.expiration_time)}, ${left(key.expiration_time)}` : "never"],
      ["Description", [h("span", {}, key.key_description || "–"), " ", edit("description", "Edit the description", editDescription)]],
    ].filter(Boolean);
    keepingFocus(() => fill(head,
      back(),
      h("div", { class: "page-head" },
        h("div", { class: "title" }, h("h1", { tabindex: "-1" }, key.key_alias), edit("name", "Edit the name", editName)),
        h("div", { class: "buttons" }, keyButtons(key, { changed, done, size: "" }))),
      h("dl", { class: "facts" }, facts.map(([term, value]) =>
        h("div", { class: term === "Description" && "whole" }, h("dt", {}, term), h("dd", {}, value))))));
  }

  function editName() {
    openDialog("Edit the name", (close) => {
      const name = h("input", { type: "text", required: true, maxlength: "255", value: key.key_alias, spellcheck: "false" });
      return dialogForm({
        close,
        words: "Save",
        fields: field("Name", name, "Letters, digits and : / _ -, up to 255."),
        submit: async () => {
          await kms("update-key-alias", { key_id: id, key_alias: name.value });
          close();
          notice("The name was changed.");
          load();
        },
      });
    });
  }

  function editDescription() {
    openDialog("Edit the description", (close) => {
      const text = h("textarea", { rows: "4", maxlength: "255", value: key.key_description });
      return dialogForm({
        close,
        words: "Save",
        fields: field("Description", text, "Up to 255 characters."),
        submit: async () => {
          await kms("update-key-description", { key_id: id, key_description: text.value });
          close();
          notice("The description was changed.");
          load();
        },
      });
    });
  }

  function showTab(tab) {
    open = tab;
    history.replaceState(null, "", `#/keys/${id}/${tab.name}`);
    fill(strip, tabs.map((each) => h("button", {
      type: "button",
      role: "tab",
      id: `tab-${each.name}`,
      "aria-controls": "panel",
      "aria-selected": String(each === tab),
      tabindex: each === tab ? "0" : "-1",
      onclick: () => { showTab(each); strip.querySelector("[aria-selected=true]").focus(); },
      onkeydown: (event) => {
        const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
        const ends = { Home: 0, End: tabs.length - 1 }[event.key];
        if (step === undefined && ends === undefined) return;
        event.preventDefault();
        showTab(tabs[ends ?? (tabs.indexOf(each) + step + tabs.length) % tabs.length]);
        strip.querySelector("[aria-selected=true]").focus();
      },
    }, each.words)));
    panel.setAttribute("aria-labelledby", `tab-${tab.name}`);
    fill(panel, tab.make(key));
  }

  const tick = setInterval(() => {
    if (!dialogIsOpen() && document.visibilityState === "visible") load();
  }, EVERY);
  load();
  return { title: "Key", element: main, leave: () => clearInterval(tick) };
}

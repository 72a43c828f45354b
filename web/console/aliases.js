// Aliases: other names by which programs call a key.

import { call, kmsGet, kmsPath } from "./api.js";
import { confirmation, copyButton, dialogForm, field, h, notice, openDialog } from "./dom.js";
import { isDefault } from "./rules.js";
import { plainTable, section } from "./tab.js";
import { moment } from "./words.js";

async function listAll(id) {
  const aliases = [];
  let marker = "";
  do {
    const page = await kmsGet(`aliases?key_id=${encodeURIComponent(id)}&limit=100${marker && `&marker=${encodeURIComponent(marker)}`}`);
    aliases.push(...page.aliases);
    marker = page.page_info.next_marker;
  } while (marker);
  return aliases;
}

export function aliasesTab(key) {
  const fixed = isDefault(key) || key.key_state === "4";
  return section(() => listAll(key.key_id), (aliases, again) => [
    !fixed && h("div", { class: "buttons start" },
      h("button", { type: "button", class: "primary", onclick: () => create(key, again) }, "Create alias")),
    plainTable("Aliases", ["Alias", "URN", "Created", "Operation"], aliases.map((alias) => [
      alias.alias,
      [h("span", { class: "mono" }, alias.alias_urn), " ", copyButton(alias.alias_urn, "Copy", `Copy the URN of ${alias.alias}`)],
      moment(Date.parse(alias.create_time)),
      !isDefault(key) && h("button", {
        type: "button", class: "small danger-text", "aria-label": `Delete ${alias.alias}`, onclick: () => remove(key, alias, again),
      }, "Delete")]), "This key has no aliases. Programs can name it by one in place of its ID."),
  ]);
}

function create(key, again) {
  openDialog("Create alias", (close) => {
    const alias = h("input", { type: "text", required: true, maxlength: "261", value: "alias/", spellcheck: "false" });
    return dialogForm({
      close,
      words: "Create alias",
      fields: field("Alias", alias, "alias/ and letters, digits and : / _ -."),
      submit: async () => {
        await call("POST", kmsPath("aliases"), { key_id: key.key_id, alias: alias.value.trim() });
        close();
        notice("The alias was created.");
        again();
      },
    });
  });
}

function remove(key, alias, again) {
  openDialog("Delete alias", (close) => {
    const word = confirmation("DELETE");
    return dialogForm({
      close,
      words: "Delete",
      danger: true,
      ready: word.given,
      fields: [h("p", {}, `Programs that say ${alias.alias} no longer find this key.`), word.field],
      submit: async () => {
        await call("DELETE", kmsPath("aliases"), { key_id: key.key_id, aliases: [alias.alias] });
        close();
        notice("The alias was deleted.");
        again();
      },
    });
  });
}

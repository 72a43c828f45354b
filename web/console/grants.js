// Grants: what others may do with a key.

import { kms } from "./api.js";
import { choice, confirmation, dialogForm, field, h, notice, openDialog } from "./dom.js";
import { isDefault } from "./rules.js";
import { plainTable, section } from "./tab.js";
import { moment, stateWords } from "./words.js";

const OPERATIONS = {
  "create-datakey": "Create data key",
  "create-datakey-without-plaintext": "Create data key without plaintext",
  "encrypt-datakey": "Encrypt data key",
  "decrypt-datakey": "Decrypt data key",
  "describe-key": "Query key information",
  "create-grant": "Create grant",
  "retire-grant": "Retire grant",
  "encrypt-data": "Encrypt data",
  "decrypt-data": "Decrypt data",
};

async function listAll(id) {
  const grants = [];
  let marker = "";
  do {
    const page = await kms("list-grants", { key_id: id, limit: "100", marker });
    grants.push(...page.grants);
    marker = page.truncated === "true" ? page.next_marker : "";
  } while (marker !== "");
  return grants;
}

export function grantsTab(key) {
  if (isDefault(key)) return h("p", { class: "empty" }, "Default keys cannot be granted.");
  const enabled = key.key_state === "2";
  return section(() => listAll(key.key_id), (grants, again) => [
    h("div", { class: "buttons start" }, h("button", {
      type: "button", class: "primary", disabled: !enabled, "data-focus": "grant:new", onclick: () => create(key, again),
    }, "Create grant"), !enabled && h("span", { class: "quiet" }, `The key must be enabled to grant it; it is ${stateWords(key.key_state)}.`)),
    plainTable("Grants", ["Name and ID", "Granted to", "Operations", "Created", "Operation"], grants.map((grant) => [
      [h("span", {}, grant.name || "–"), h("span", { class: "id", title: grant.grant_id }, `${grant.grant_id.slice(0, 16)}…`)],
      [h("span", {}, grant.grantee_principal_type === "domain" ? "Account" : "User"), h("span", { class: "id" }, grant.grantee_principal)],
      grant.operations.map((operation) => OPERATIONS[operation] ?? operation).join(", "),
      moment(grant.creation_date),
      h("button", {
        type: "button", class: "small danger-text", "aria-label": `Revoke: ${grant.name || grant.grant_id}`, onclick: () => revoke(key, grant, again),
      }, "Revoke")]), "Nobody but the project's own users may use this key."),
  ]);
}

function create(key, again) {
  openDialog("Create grant", (close) => {
    const user = choice("radio", "User", { name: "kind", checked: true });
    const account = choice("radio", "Account", { name: "kind" });
    const grantee = h("input", { type: "text", required: true, maxlength: "64", spellcheck: "false" });
    const name = h("input", { type: "text", maxlength: "255", spellcheck: "false" });
    const retiring = h("input", { type: "text", maxlength: "64", spellcheck: "false" });
    const boxes = Object.entries(OPERATIONS).map(([value, words]) => ({ value, ...choice("checkbox", words) }));
    const chosen = () => boxes.filter(({ control }) => control.checked).map(({ value }) => value);
    return dialogForm({
      close,
      words: "Create grant",
      ready: () => chosen().some((operation) => operation !== "create-grant"),
      fields: [
        h("fieldset", { class: "row" }, h("legend", {}, "Granted to a"), user.label, account.label),
        field("ID of the user or account", grantee),
        h("fieldset", { class: "columns" }, h("legend", {}, "Operations; not Create grant alone"), boxes.map(({ label }) => label)),
        field("Name (optional)", name),
        field("ID of the user who may retire it (optional)", retiring),
      ],
      submit: async () => {
        await kms("create-grant", {
          key_id: key.key_id,
          grantee_principal: grantee.value.trim(),
          grantee_principal_type: account.control.checked ? "domain" : "user",
          operations: chosen(),
          name: name.value,
          retiring_principal: retiring.value.trim(),
        });
        close();
        notice("The grant was created.");
        again();
      },
    });
  }, { wide: true });
}

function revoke(key, grant, again) {
  openDialog("Revoke grant", (close) => {
    const word = confirmation("DELETE");
    return dialogForm({
      close,
      words: "Revoke",
      danger: true,
      ready: word.given,
      fields: [h("p", {}, `${grant.grantee_principal} loses what this grant allows, at once.`), word.field],
      submit: async () => {
        await kms("revoke-grant", { key_id: key.key_id, grant_id: grant.grant_id });
        close();
        notice("The grant was revoked.");
        again();
      },
    });
  });
}

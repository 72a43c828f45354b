// Create Key.

import { kms, kmsPath, keystores, call, offers } from "./api.js";
import { choice, dialogForm, field, fill, h, notice, openDialog, refusal, select } from "./dom.js";
import { SPECS } from "./rules.js";
import { usageWords } from "./words.js";

const MOST_TAGS = 20;

/** Opens the dialog. `made(id, isExternal)` is called with the new key. */
export function createKey(made) {
  openDialog("Create key", (close) => {
    const name = h("input", { type: "text", required: true, maxlength: "255", autocomplete: "off", spellcheck: "false" });
    const spec = select(Object.keys(SPECS).map((spec) => [spec, spec]), {}, "AES_256");
    const usage = select([], {});
    const own = choice("radio", "Key Management Service: kmsd makes it", { name: "origin", value: "kms", checked: true });
    const external = choice("radio", "External: you import it", { name: "origin", value: "external" });
    const read = choice("checkbox", "I know that the security and durability of imported material are mine to look after.");
    const description = h("textarea", { rows: "2", maxlength: "255" });
    const tags = tagRows();
    const keystore = select([["0", "Built-in"]], {}, "0");
    const keystoreField = field("Keystore", keystore, "Where the key lives and computes.");
    keystoreField.hidden = true;
    keystores().then((found) => {
      keystore.append(...found.map(({ keystore_id: id, keystore_alias: alias }) => h("option", { value: id }, alias)));
      keystoreField.hidden = found.length === 0;
    }, () => {});
    const origins = h("fieldset", {}, h("legend", {}, "Key material"), own.label,
      offers("import-key-material") && external.label);

    const adaptOrigin = () => {
      // What computes in a module was made there.
      const importable = SPECS[spec.value].imports && keystore.value === "0";
      external.control.disabled = !importable;
      if (!importable) own.control.checked = true;
      read.label.hidden = !external.control.checked;
    };
    const adapt = () => {
      const { usages } = SPECS[spec.value];
      fill(usage, usages.map((usage) => h("option", { value: usage }, usageWords(usage))));
      usage.disabled = usages.length === 1;
      adaptOrigin();
    };
    spec.addEventListener("change", adapt);
    for (const control of [keystore, origins]) control.addEventListener("change", adaptOrigin);
    adapt();

    return dialogForm({
      close,
      words: "Create key",
      ready: () => own.control.checked || read.control.checked,
      fields: [
        field("Name", name, "Letters, digits and : / _ -, up to 255."),
        h("div", { class: "pair" }, field("Algorithm", spec), field("Usage", usage)),
        origins,
        read.label,
        keystoreField,
        h("details", {}, h("summary", {}, offers("{key_id}/tags/action") ? "Description and tags" : "Description"),
          field("Description", description, "Up to 255 characters."),
          offers("{key_id}/tags/action") && tags.element),
      ],
      submit: async () => {
        const origin = external.control.checked ? "external" : "kms";
        const { key_info: { key_id: id } } = await kms("create-key", {
          key_alias: name.value,
          key_spec: spec.value,
          key_usage: usage.value,
          key_description: description.value,
          origin,
          ...(keystore.value === "0" ? {} : { keystore_id: keystore.value }),
        });
        const wanted = tags.given();
        let untagged = null;
        if (wanted.length > 0) {
          try {
            await call("POST", kmsPath(`${encodeURIComponent(id)}/tags/action`), { action: "create", tags: wanted });
          } catch (error) {
            untagged = error;
          }
        }
        close();
        notice(`${name.value} was created.`);
        made(id, origin === "external");
        if (untagged) {
          openDialog("The key was created, its tags were not", (close) => h("div", {},
            refusal(untagged), h("p", {}, "Add them on the key's Tags tab."),
            h("div", { class: "buttons" }, h("button", { type: "button", class: "primary", onclick: close }, "Close"))));
        }
      },
    });
  }, { wide: true });
}

/** Rows of keys and values, of which one can add more. */
function tagRows() {
  const rows = h("div", { class: "tag-rows" });
  const more = h("button", { type: "button", class: "small", onclick: () => add(true) }, "Add a tag");
  const add = (focus) => {
    const key = h("input", { type: "text", "aria-label": "Tag key", placeholder: "key", maxlength: "128" });
    const value = h("input", { type: "text", "aria-label": "Tag value", placeholder: "value", maxlength: "255" });
    const row = h("div", { class: "tag-row" }, key, value,
      h("button", {
        type: "button",
        class: "small",
        "aria-label": "Remove this tag",
        onclick: () => { row.remove(); more.disabled = false; more.focus(); },
      }, "Remove"));
    rows.append(row);
    more.disabled = rows.childElementCount >= MOST_TAGS;
    if (focus) key.focus();
  };
  return {
    element: h("fieldset", {}, h("legend", {}, `Tags, up to ${MOST_TAGS}`), rows, more),
    given: () => [...rows.children]
      .map((row) => [...row.querySelectorAll("input")].map((input) => input.value))
      .filter(([key]) => key !== "")
      .map(([key, value]) => ({ key, value })),
  };
}

// Tags of a key.

import { call, kmsGet, kmsPath } from "./api.js";
import { dialogForm, field, h, notice, openDialog } from "./dom.js";
import { isDefault } from "./rules.js";
import { plainTable, section } from "./tab.js";

export function tagsTab(key) {
  const path = `${encodeURIComponent(key.key_id)}/tags`;
  const fixed = isDefault(key);
  return section(() => kmsGet(path), ({ tags }, again) => [
    !fixed && h("div", { class: "buttons start" },
      h("button", { type: "button", class: "primary", onclick: () => edit(path, null, again) }, "Add tag")),
    plainTable("Tags", ["Key", "Value", "Operation"], tags.map((tag) => [
      tag.key, tag.value || "–",
      !fixed && h("div", { class: "row-buttons" },
        h("button", { type: "button", class: "small", "aria-label": `Edit ${tag.key}`, onclick: () => edit(path, tag, again) }, "Edit"),
        h("button", { type: "button", class: "small danger-text", "aria-label": `Delete ${tag.key}`, onclick: () => remove(path, tag, again) }, "Delete"))]),
    "This key has no tags."),
  ]);
}

function edit(path, tag, again) {
  openDialog(tag ? "Edit tag" : "Add tag", (close) => {
    const key = h("input", { type: "text", required: true, maxlength: "128", value: tag?.key ?? "", readonly: tag !== null });
    const value = h("input", { type: "text", maxlength: "255", value: tag?.value ?? "" });
    return dialogForm({
      close,
      words: tag ? "Save" : "Add",
      fields: [field("Key", key, tag === null && "Up to 128 characters, none of * < > \\ =."), field("Value", value, "Up to 255 characters.")],
      submit: async () => {
        await call("POST", kmsPath(path), { tag: { key: key.value, value: value.value } });
        close();
        notice("The tag was saved.");
        again();
      },
    });
  });
}

function remove(path, tag, again) {
  openDialog("Delete tag", (close) => dialogForm({
    close,
    words: "Delete",
    danger: true,
    fields: h("p", {}, `The tag ${tag.key} is taken off this key.`),
    submit: async () => {
      await call("DELETE", kmsPath(`${path}/${encodeURIComponent(tag.key)}`));
      close();
      notice("The tag was deleted.");
      again();
    },
  }));
}

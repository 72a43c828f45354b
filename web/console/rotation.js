// Rotation: new material at an interval, the old kept for decryption.

import { kms, offers } from "./api.js";
import { dialogForm, field, h, notice, openDialog } from "./dom.js";
import { canRotate, isDefault, isExternal } from "./rules.js";
import { plainTable, section } from "./tab.js";
import { moment, stateWords } from "./words.js";

export function rotationTab(key) {
  if (!canRotate(key) && !(isExternal(key) && key.key_spec === "AES_256")) {
    return h("p", { class: "empty" }, isDefault(key) ? "Default keys cannot be rotated here." : "Only symmetric keys that kmsd made, and keeps itself, can be rotated.");
  }
  const id = key.key_id;
  return section(() => kms("get-key-rotation-status", { key_id: id }), (status, again) => {
    const on = status.key_rotation_enabled;
    const enabled = key.key_state === "2";
    const interval = (title, words, before) => openDialog(title, (close) => {
      const days = h("input", { type: "number", min: "30", max: "365", step: "1", required: true, value: String(status.rotation_interval || 365) });
      return dialogForm({
        close,
        words,
        fields: field("Days between rotations, 30 to 365", days),
        submit: async () => {
          await before();
          await kms("update-key-rotation-interval", { key_id: id, rotation_interval: Number(days.value) });
          close();
          notice("Rotation was set.");
          again();
        },
      });
    });
    let turnedOn = on;
    const turnOn = async () => {
      if (turnedOn) return;
      await kms("enable-key-rotation", { key_id: id });
      turnedOn = true;
    };
    const facts = [
      ["Rotation", on ? "on" : "off"],
      on && ["Interval", `${status.rotation_interval} days`],
      ["Last rotation", moment(status.last_rotation_time)],
      ["Rotations so far", String(status.number_of_rotations ?? 0)],
    ].filter(Boolean);
    const buttons = !canRotate(key) ? []
      : on ? [
        h("button", { type: "button", disabled: !enabled, onclick: () => interval("Edit the interval", "Save", async () => {}) }, "Edit the interval"),
        h("button", { type: "button", class: "danger-text", disabled: !enabled, onclick: () => turnOff(id, again) }, "Turn rotation off"),
      ] : [h("button", { type: "button", class: "primary", disabled: !enabled, onclick: () => interval("Turn rotation on", "Turn rotation on", turnOn) }, "Turn rotation on")];
    const materials = status.key_materials ?? [];
    const waiting = materials.some((material) => material.state === 0);
    return [
      h("dl", { class: "facts" }, facts.map(([term, value]) => h("div", {}, h("dt", {}, term), h("dd", {}, value)))),
      canRotate(key) && !enabled && h("p", { class: "quiet" }, `The key must be enabled to change this; it is ${stateWords(key.key_state)}.`),
      h("div", { class: "buttons start" }, buttons),
      materials.length > 0 && [
        h("h2", {}, "Imported materials"),
        plainTable("Imported materials", ["ID", "State", "Created", "Expires"], materials.map((material) => [
          h("span", { class: "mono" }, material.material_id),
          material.state === 2 ? "in use" : "waiting for rotation",
          material.create_time || "–", material.expiration_time || "never"])),
        waiting && offers("rotate-on-demand") && h("button", {
          type: "button",
          class: "primary",
          disabled: !enabled,
          onclick: () => openDialog("Rotate now", (close) => dialogForm({
            close,
            words: "Rotate now",
            fields: h("p", {}, "The material that waits becomes the one that encrypts; the old one still decrypts."),
            submit: async () => {
              await kms("rotate-on-demand", { key_id: id });
              close();
              notice("The key was rotated.");
              again();
            },
          })),
        }, "Rotate now")],
    ];
  });
}

function turnOff(id, again) {
  openDialog("Turn rotation off", (close) => dialogForm({
    close,
    words: "Turn rotation off",
    danger: true,
    fields: h("p", {}, "The key keeps its present material until rotation is turned on again."),
    submit: async () => {
      await kms("disable-key-rotation", { key_id: id });
      close();
      notice("Rotation is off.");
      again();
    },
  }));
}

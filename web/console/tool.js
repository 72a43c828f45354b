// Encrypt and decrypt a little text with a key.

import { kms } from "./api.js";
import { copyButton, field, fill, h, refusal } from "./dom.js";
import { isDefault, isSymmetric } from "./rules.js";
import { stateWords, textOfBase64 } from "./words.js";

export function toolTab(key) {
  const why = isDefault(key) ? "Default keys are used by the service that made them."
    : !isSymmetric(key) ? `The tool is for symmetric keys; this one is ${key.key_spec}.`
      : key.key_state !== "2" ? `The key must be enabled; it is ${stateWords(key.key_state)}.`
        : null;
  if (why) return h("p", { class: "empty" }, why);
  return h("div", { class: "tab tool" },
    half({
      title: "Encrypt",
      label: "Plaintext",
      hint: "Up to 4096 bytes. It is sent as it stands, so what comes out can be decrypted by decrypt-data too.",
      run: async (text, context) => ({
        text: (await kms("encrypt-data", { key_id: key.key_id, plain_text: text, ...context })).cipher_text,
        says: "Ciphertext",
      }),
    }),
    half({
      title: "Decrypt",
      label: "Ciphertext",
      hint: "Base64. It names the key that made it, whichever that is.",
      run: async (text, context) => {
        const answer = await kms("decrypt-data", { cipher_text: text.trim(), ...context });
        const plain = textOfBase64(answer.plain_text_base64);
        const other = answer.key_id === key.key_id ? "" : `, by key ${answer.key_id}`;
        return plain === null
          ? { text: answer.plain_text_base64, says: `Plaintext, which is not text, in Base64${other}` }
          : { text: plain, says: `Plaintext${other}` };
      },
    }));
}

function half({ title, label, hint, run }) {
  const input = h("textarea", { rows: "6", class: "mono", spellcheck: "false" });
  const context = h("input", { type: "text", autocomplete: "off", spellcheck: "false" });
  const output = h("textarea", { rows: "6", class: "mono", readonly: true, "aria-label": `${title}: result` });
  const says = h("p", { role: "status", class: "quiet" }, "The result appears here.");
  const fault = h("div", {});
  const buttons = h("button", { type: "submit", class: "primary" }, title);
  return h("form", {
    class: "card half",
    "aria-label": title,
    onsubmit: async (event) => {
      event.preventDefault();
      fill(fault);
      buttons.disabled = true;
      try {
        const aad = context.value === "" ? {} : { additional_authenticated_data: context.value };
        const result = await run(input.value, aad);
        output.value = result.text;
        fill(says, `${result.says}:`);
      } catch (error) {
        output.value = "";
        fill(says, "No result.");
        fill(fault, refusal(error));
      } finally {
        buttons.disabled = false;
      }
    },
  },
  h("h2", {}, title),
  field(label, input, hint),
  field("Additional authenticated data (optional)", context, "Up to 128 bytes; the same is needed to decrypt."),
  fault,
  h("div", { class: "buttons" },
    h("button", {
      type: "button",
      onclick: () => { input.value = ""; output.value = ""; context.value = ""; fill(fault); fill(says, "The result appears here."); input.focus(); },
    }, "Clear"), buttons),
  says, output,
  h("div", { class: "buttons" }, copyButton(() => output.value, "Copy the result")));
}

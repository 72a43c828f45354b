// Import Key Material in three steps: get what to wrap it with, give what was wrapped, set its end.
// The token is kept for as long as the wizard is open.

import { kms } from "./api.js";
import { choice, confirmation, copyButton, dialogForm, download, field, fill, h, notice, openDialog, refusal, select } from "./dom.js";
import { isSymmetric } from "./rules.js";
import { fromBase64, moment, toBase64 } from "./words.js";

const ALGORITHMS = [["RSAES_OAEP_SHA_256", "RSAES_OAEP_SHA_256"], ["SM2_ENCRYPT", "SM2_ENCRYPT"]];
const DAY = 86_400_000;

/** Opens the wizard for a key that waits for material. */
export function importMaterial(key, done) {
  const given = { material: "", privateKey: "", token: "" };
  openDialog(`Import key material: ${key.key_alias}`, (close) => {
    const body = h("div", { class: "wizard" });
    const steps = [first, second, third];
    const show = (at) => {
      const names = ["Wrapping key", "Wrapped material", "Token and expiry"];
      fill(body,
        h("ol", { class: "steps" }, names.map((name, n) =>
          h("li", { "aria-current": n === at ? "step" : null, class: n < at && "past" }, name))),
        steps[at]({ key, given, close, go: show, done }));
      body.querySelector("input, select, textarea, button")?.focus();
    };
    show(0);
    return body;
  }, { wide: true });
}

function first({ key, given, go, close }) {
  const algorithm = select(ALGORITHMS, {}, "RSAES_OAEP_SHA_256");
  const fault = h("div", {});
  const got = h("div", { role: "status" });
  const next = h("button", { type: "button", class: "primary", disabled: true, onclick: () => go(1) }, "Next");
  const fetchIt = async () => {
    fill(fault);
    try {
      const answer = await kms("get-parameters-for-import", {
        key_id: key.key_id,
        wrapping_algorithm: algorithm.value,
      });
      given.token = answer.import_token;
      given.fetched = true;
      const name = `wrappingKey_${key.key_id}`;
      download(name, fromBase64(answer.public_key));
      fill(got, h("p", {}, `Saved as ${name}. Good until ${moment(answer.expiration_time * 1000)}.`),
        isSymmetric(key) && algorithm.value === "RSAES_OAEP_SHA_256" && recipe(name, key),
        h("p", {}, copyButton(given.token, "Copy the import token")));
      next.disabled = false;
      next.focus();
    } catch (error) {
      fill(fault, refusal(error));
    }
  };
  return h("div", {},
    field("Wrapping algorithm", algorithm),
    h("p", { class: "hint" }, "Download the public key that the material is to be encrypted with; or go on with material that was wrapped before, for which you have the token."),
    fault, got,
    h("div", { class: "buttons" },
      h("button", { type: "button", onclick: close }, "Cancel"),
      h("button", { type: "button", onclick: () => { given.fetched = false; given.token = ""; go(1); } }, "Use existing key material"),
      h("button", { type: "button", onclick: fetchIt }, "Download wrapping key"), next));
}

/** How OpenSSL wraps it: the public key is DER. */
function recipe(name, key) {
  const bytes = key.key_spec === "SM4" ? 16 : 32;
  const text = `openssl rand -out material.bin ${bytes}\n`
    + `openssl pkeyutl -encrypt -pubin -keyform DER -inkey ${name} \\\n`
    + "  -pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha256 -pkeyopt rsa_mgf1_md:sha256 \\\n"
    + "  -in material.bin -out wrapped.bin";
  return h("details", {}, h("summary", {}, "How to wrap it with OpenSSL"),
    h("pre", { tabindex: "0" }, text), copyButton(text, "Copy"));
}

function second({ key, given, go, close }) {
  const needsPrivateKey = !isSymmetric(key);
  const material = upload(needsPrivateKey ? "Wrapped temporary key" : "Wrapped key material", given.material);
  const privateKey = upload("Private key, wrapped by the temporary key", given.privateKey);
  return dialogForm({
    close,
    words: "Next",
    ready: () => material.text() !== "" && (!needsPrivateKey || privateKey.text() !== ""),
    back: () => go(0),
    fields: [material.element, needsPrivateKey && privateKey.element],
    submit: async () => {
      given.material = material.text();
      given.privateKey = privateKey.text();
      go(2);
    },
  });
}

/** A text in Base64, typed, pasted or from a file; a binary file becomes Base64. */
function upload(words, text) {
  const area = h("textarea", { rows: "4", class: "mono", spellcheck: "false", value: text });
  const file = h("input", {
    type: "file",
    "aria-label": `${words}: file`,
    onchange: async () => {
      if (!file.files[0]) return;
      const bytes = new Uint8Array(await file.files[0].arrayBuffer());
      const written = new TextDecoder("latin1").decode(bytes).replace(/\s/g, "");
      area.value = /^[0-9A-Za-z+/]+=*$/.test(written) ? written : toBase64(bytes);
      area.dispatchEvent(new Event("input", { bubbles: true }));
    },
  });
  return {
    element: h("div", {}, field(words, area, "Choose a file, binary or Base64, or paste Base64."), file),
    text: () => area.value.replace(/\s/g, ""),
  };
}

function third({ key, given, go, close, done }) {
  const token = h("textarea", {
    rows: "3", class: "mono", spellcheck: "false", value: given.token, readonly: given.fetched,
  });
  const never = choice("radio", "The material never expires", { name: "expiry", checked: true });
  const at = choice("radio", "It expires at a time, and kmsd then removes it", { name: "expiry" });
  const tomorrow = new Date(Date.now() + DAY);
  const local = new Date(tomorrow.getTime() - tomorrow.getTimezoneOffset() * 60_000);
  const when = h("input", { type: "datetime-local", value: local.toISOString().slice(0, 16) });
  const whenField = field("Expires", when);
  whenField.hidden = true;
  return dialogForm({
    close,
    words: "Import",
    back: () => go(1),
    ready: () => {
      whenField.hidden = !at.control.checked;
      return token.value.trim() !== "" && (never.control.checked || when.value !== "");
    },
    fields: [
      field("Import token", token),
      // Asymmetric material has no end (contract, section 7.6).
      isSymmetric(key) && h("fieldset", {}, h("legend", {}, "Expiry"), never.label, at.label, whenField),
    ],
    submit: async () => {
      const body = {
        key_id: key.key_id,
        import_token: token.value.trim(),
        encrypted_key_material: given.material,
      };
      if (given.privateKey) body.encrypted_privatekey = given.privateKey;
      if (at.control.checked) body.expiration_time = Math.floor(new Date(when.value).getTime() / 1000);
      await kms("import-key-material", body);
      close();
      notice("The key material was imported.");
      done();
    },
  });
}

/** Delete Key Material. */
export function deleteMaterial(key, done) {
  openDialog(`Delete key material: ${key.key_alias}`, (close) => {
    const word = confirmation("DELETE");
    return dialogForm({
      close,
      words: "Delete key material",
      danger: true,
      ready: word.given,
      fields: [
        h("p", {}, "The key becomes Pending import. What was encrypted with it can be decrypted again only once the same material is imported again."),
        word.field,
      ],
      submit: async () => {
        await kms("delete-imported-key-material", { key_id: key.key_id });
        close();
        notice("The key material was deleted.");
        done();
      },
    });
  });
}

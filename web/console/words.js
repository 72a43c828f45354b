// How things are called and written.

export const STATES = {
  2: { words: "Enabled", kind: "good" },
  3: { words: "Disabled", kind: "off" },
  4: { words: "Pending deletion", kind: "bad" },
  5: { words: "Pending import", kind: "wait" },
  7: { words: "Frozen", kind: "off" },
};

export const stateWords = (state) => STATES[state]?.words ?? `State ${state}`;

export const USAGES = {
  ENCRYPT_DECRYPT: "Encrypt and decrypt",
  SIGN_VERIFY: "Sign and verify",
  GENERATE_VERIFY_MAC: "Generate and verify MAC",
  KEY_AGREEMENT: "Key agreement",
  ENCAPSULATE_DECAPSULATE: "Encapsulate and decapsulate",
};

export const usageWords = (usage) => USAGES[usage] ?? usage;

export const ORIGINS = { kms: "Key Management Service", external: "External" };

export const originWords = (origin) => ORIGINS[origin] ?? origin;

const dateTime = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const number = new Intl.NumberFormat();

/** A moment, in milliseconds as number or text. */
export const moment = (at) => (at ? dateTime.format(new Date(Number(at))) : "–");
export const timeOfDay = (at) => clock.format(new Date(at));
export const count = (n) => number.format(n);

/** "1 key", "2 keys". */
export const keysWords = (n) => `${count(n)} ${n === 1 ? "key" : "keys"}`;

/** How long there is until a moment, in its two largest units. */
export function left(until, now = Date.now()) {
  const minutes = Math.floor((Number(until) - now) / 60_000);
  if (minutes < 0) return "due now";
  if (minutes < 1) return "less than a minute left";
  const [days, hours, rest] = [Math.floor(minutes / 1440), Math.floor(minutes / 60) % 24, minutes % 60];
  const parts = days ? [[days, "d"], [hours, "h"]] : [[hours, "h"], [rest, "min"]];
  return `${parts.filter(([n]) => n).map(([n, unit]) => `${n} ${unit}`).join(" ")} left`;
}

/** The text of bytes in Base64, or null when it is not UTF-8. */
export function textOfBase64(base64) {
  const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return null;
  }
}

/** Bytes in Base64. */
export function toBase64(bytes) {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

/** The bytes of a Base64 text. */
export const fromBase64 = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));

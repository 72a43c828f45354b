// What fits which key. The server decides; this only says beforehand what it would say.

import { kms } from "./api.js";
import { stateWords } from "./words.js";

/** The kinds of keys: usages (the default first), and whether material can be imported. */
export const SPECS = {
  AES_256: { usages: ["ENCRYPT_DECRYPT"], imports: true, symmetric: true },
  SM4: { usages: ["ENCRYPT_DECRYPT"], imports: true, symmetric: true },
  RSA_2048: { usages: ["SIGN_VERIFY", "ENCRYPT_DECRYPT"], imports: true },
  RSA_3072: { usages: ["SIGN_VERIFY", "ENCRYPT_DECRYPT"], imports: true },
  RSA_4096: { usages: ["SIGN_VERIFY", "ENCRYPT_DECRYPT"], imports: true },
  EC_P256: { usages: ["SIGN_VERIFY", "KEY_AGREEMENT"], imports: true },
  EC_P384: { usages: ["SIGN_VERIFY", "KEY_AGREEMENT"], imports: true },
  SECP256K1: { usages: ["SIGN_VERIFY", "KEY_AGREEMENT"] },
  SM2: { usages: ["SIGN_VERIFY", "ENCRYPT_DECRYPT", "KEY_AGREEMENT"], imports: true },
  ED25519: { usages: ["SIGN_VERIFY"] },
  HMAC_256: { usages: ["GENERATE_VERIFY_MAC"] },
  HMAC_384: { usages: ["GENERATE_VERIFY_MAC"] },
  HMAC_512: { usages: ["GENERATE_VERIFY_MAC"] },
  HMAC_SM3: { usages: ["GENERATE_VERIFY_MAC"] },
};

export const isDefault = (key) => key.default_key_flag === "1";
export const isSymmetric = (key) => SPECS[key.key_spec]?.symmetric === true;
export const isExternal = (key) => key.origin === "external";
export const canRotate = (key) =>
  isSymmetric(key) && !isExternal(key) && !isDefault(key) && key.keystore_id === "0";

/** What can be done to keys, one by one or many at once. */
export const ACTIONS = {
  enable: {
    words: "Enable",
    states: ["3"],
    path: "enable-key",
    call: (key) => kms("enable-key", { key_id: key.key_id }),
  },
  disable: {
    words: "Disable",
    states: ["2"],
    path: "disable-key",
    danger: true,
    call: (key) => kms("disable-key", { key_id: key.key_id }),
  },
  delete: {
    words: "Delete",
    states: ["2", "3", "5"],
    path: "schedule-key-deletion",
    danger: true,
    call: (key, { days }) =>
      kms("schedule-key-deletion", { key_id: key.key_id, pending_days: String(days) }),
  },
  cancel: {
    words: "Cancel deletion",
    states: ["4"],
    path: "cancel-key-deletion",
    call: (key) => kms("cancel-key-deletion", { key_id: key.key_id }),
  },
};

/** Why an action does not fit a key, in words; null when it does. */
export function misfit(action, key) {
  if (isDefault(key)) return "is a default key";
  if (ACTIONS[action].states.includes(key.key_state)) return null;
  return `is ${stateWords(key.key_state)}`;
}

/** The state that a call's answer tells of. */
export const stateIn = (answer) => answer.key_info?.key_state ?? answer.key_state;

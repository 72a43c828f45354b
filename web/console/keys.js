// The keys of a project. The API gives them page by page, the newest first; the first page is shown
// at once and the rest comes in behind it. Filters and order are then matters of this page alone.

import { kms, kmsGet, kmsPath, call, offers } from "./api.js";

/** Rows of the first page: enough for a screen, and quick. */
const FIRST_ROWS = 200;
/** Rows of the others: the most that the API gives. */
const ROWS = 2000;

export class Keys extends EventTarget {
  #keys = new Map();
  #loading = null;
  /** How many there are; null until the server said so. */
  total = null;
  quota = null;
  /** Whether all of them are here. */
  complete = false;
  /** What went wrong at the last try. */
  fault = null;
  updated = null;
  /** When they were last asked for, whatever came of it. */
  tried = 0;

  /** Those that are here. */
  all() {
    return [...this.#keys.values()];
  }

  get size() {
    return this.#keys.size;
  }

  get(id) {
    return this.#keys.get(id);
  }

  get loading() {
    return this.#loading !== null;
  }

  /** Takes over what is known of a key. */
  put(id, members) {
    const known = this.#keys.get(id);
    if (known) this.#keys.set(id, { ...known, ...members });
    this.#changed();
  }

  /** Reads all keys again; calls that come meanwhile share the same reading. */
  refresh() {
    this.#loading ??= this.#read().finally(() => {
      this.#loading = null;
      this.#changed();
    });
    return this.#loading;
  }

  async #read() {
    this.tried = Date.now();
    try {
      const seen = new Set();
      let marker = "";
      do {
        const page = await kms("list-keys", {
          key_spec: "ALL",
          limit: String(marker === "" && this.updated === null ? FIRST_ROWS : ROWS),
          marker,
        });
        for (const key of page.key_details) {
          this.#keys.set(key.key_id, key);
          seen.add(key.key_id);
        }
        this.total = page.total;
        marker = page.truncated === "true" ? page.next_marker : "";
        this.updated ??= Date.now();
        this.#changed();
      } while (marker !== "");
      for (const id of this.#keys.keys()) if (!seen.has(id)) this.#keys.delete(id);
      this.complete = true;
      this.fault = null;
      this.updated = Date.now();
      const { quotas } = await kmsGet("user-quotas");
      this.quota = quotas.resources.find((resource) => resource.type === "CMK") ?? null;
    } catch (error) {
      this.fault = error;
    }
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}

/** Reads one key. */
export async function describe(id) {
  return (await kms("describe-key", { key_id: id })).key_info;
}

/** The tags in use: a map from each to its values. Empty where the server has no tags. */
export async function tagsInUse() {
  if (!offers("tags", "get")) return new Map();
  const { tags } = await kmsGet("tags");
  return new Map(tags.map(({ key, values }) => [key, values]));
}

/** The ids of the keys that have a tag, with this value if one is given. */
export async function keysWithTag(key, value) {
  const ids = new Set();
  for (let offset = 0; ; offset += 1000) {
    const page = await call("POST", kmsPath("resource_instances/action"), {
      action: "filter",
      limit: "1000",
      offset: String(offset),
      tags: [{ key, values: value === "" ? [] : [value] }],
    });
    for (const { resource_id: id } of page.resources) ids.add(id);
    if (page.resources.length < 1000) return ids;
  }
}

/** Those of the keys that fit a filter. */
export function filtered(keys, filter) {
  const words = filter.text.trim().toLowerCase();
  const from = filter.from ? new Date(`${filter.from}T00:00:00`).getTime() : -Infinity;
  const to = filter.to ? new Date(`${filter.to}T23:59:59.999`).getTime() : Infinity;
  return keys.filter((key) =>
    (key.default_key_flag === "1") === filter.defaults
    && (words === "" || key.key_alias.toLowerCase().includes(words) || key.key_id.includes(words))
    && (filter.state === "" || key.key_state === filter.state)
    && (filter.spec === "" || key.key_spec === filter.spec)
    && (filter.usage === "" || key.key_usage === filter.usage)
    && (filter.origin === "" || key.origin === filter.origin)
    && Number(key.creation_date) >= from
    && Number(key.creation_date) <= to
    && (filter.tagged === null || filter.tagged.has(key.key_id)));
}

const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

const ORDERS = {
  name: (a, b) => collator.compare(a.key_alias, b.key_alias),
  state: (a, b) => a.key_state.localeCompare(b.key_state)
    || Number(a.scheduled_deletion_date) - Number(b.scheduled_deletion_date),
  created: (a, b) => Number(a.creation_date) - Number(b.creation_date),
  spec: (a, b) => collator.compare(a.key_spec + a.key_usage, b.key_spec + b.key_usage),
  origin: (a, b) => a.origin.localeCompare(b.origin),
};

/** The keys in order; equals stay in the order of their ids. */
export function sorted(keys, { by, descending }) {
  const order = ORDERS[by];
  const sign = descending ? -1 : 1;
  return keys.sort((a, b) => sign * order(a, b) || (a.key_id < b.key_id ? -1 : 1));
}

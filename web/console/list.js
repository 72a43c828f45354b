// The list of keys: filters, order, selection, pages. Custom Keys and Default Keys are the same
// page; the latter is read-only.

import { keystoreName, offers } from "./api.js";
import { batch } from "./batch.js";
import { createKey } from "./create.js";
import { choice, dialogIsOpen, fill, focusOn, h, keepingFocus, newId, refusal, select } from "./dom.js";
import { deleteMaterial, importMaterial } from "./import.js";
import { describe, filtered, keysWithTag, sorted, tagsInUse } from "./keys.js";
import { ACTIONS, isExternal, isSymmetric, misfit, SPECS } from "./rules.js";
import { count, keysWords, left, moment, originWords, ORIGINS, STATES, stateWords, timeOfDay, usageWords, USAGES } from "./words.js";

/** Seconds between two looks; rarer when there is much to read. */
const EVERY = 30;
const EVERY_WHEN_MANY = 120;
const MANY = 2000;

const noFilter = (defaults) => ({
  defaults, text: "", state: "", spec: "", usage: "", origin: "", from: "", to: "", tag: "", value: "", tagged: null,
});

/** What one sees of the list; kept while one looks at a key and comes back. */
export const newView = (defaults) => ({
  filter: noFilter(defaults),
  order: { by: "created", descending: true },
  page: 0,
  rows: 50,
  selected: new Set(),
  columns: new Set(["created", "origin"]),
});

const COLUMNS = {
  name: { words: "Name and ID", sorts: true },
  state: { words: "Status", sorts: true },
  spec: { words: "Algorithm and usage", sorts: true },
  origin: { words: "Origin", sorts: true, optional: true },
  created: { words: "Created", sorts: true, optional: true },
  description: { words: "Description", optional: true },
  region: { words: "Region", optional: true },
  keystore: { words: "Keystore", optional: true },
  enterprise: { words: "Enterprise project", optional: true },
};

/** How a state is shown, with the time that is left where there is a date. */
export function stateBadge(key) {
  const kind = STATES[key.key_state]?.kind ?? "off";
  return h("span", { class: "state" },
    h("span", { class: `badge ${kind}` }, stateWords(key.key_state)),
    key.scheduled_deletion_date && h("span", {
      class: "quiet", "data-until": key.scheduled_deletion_date, title: moment(key.scheduled_deletion_date),
    }, left(key.scheduled_deletion_date)),
    key.key_state === "2" && key.expiration_time && h("span", {
      class: "quiet", title: moment(key.expiration_time),
    }, `material: ${left(key.expiration_time)}`));
}

/** The buttons that fit a key, by its state. */
export function keyButtons(key, { changed, done, size = "small" }) {
  const button = (name, words, onclick, danger) => h("button", {
    type: "button",
    class: `${size} ${danger ? "danger-text" : ""}`,
    "data-focus": `${name}:${key.key_id}`,
    "aria-label": `${words}: ${key.key_alias}`,
    onclick,
  }, words);
  const buttons = Object.entries(ACTIONS)
    .filter(([action]) => misfit(action, key) === null)
    .map(([action, { words, danger }]) =>
      button(action, words, () => batch(action, [key], { changed, done }), danger));
  if (key.key_state === "5" && isExternal(key) && offers("import-key-material")) {
    buttons.unshift(button("import", "Import material", () => importMaterial(key, done)));
  }
  if (["2", "3"].includes(key.key_state) && isExternal(key) && isSymmetric(key) && offers("delete-imported-key-material")) {
    buttons.push(button("delete-material", "Delete material", () => deleteMaterial(key, done), true));
  }
  return buttons;
}

/** The page. Gives its element and how to leave it. */
export function listPage(keys, view) {
  const readOnly = view.filter.defaults;
  const status = h("p", { role: "status", class: "quiet" });
  const quota = h("p", { class: "quiet" });
  const fault = h("div", {});
  const tagFault = h("div", {});
  const body = h("tbody", { role: "rowgroup" });
  const heads = h("tr", { role: "row" });
  const table = h("table", { role: "table", "aria-label": readOnly ? "Default keys" : "Custom keys" },
    h("thead", { role: "rowgroup" }, heads), body);
  const empty = h("div", { class: "empty", hidden: true });
  const bar = h("div", { class: "bar", role: "group", "aria-label": "Actions on the selected keys" });
  const pages = h("nav", { class: "pages", "aria-label": "Pages of keys" });
  // Other dialects make kinds of keys that this one only shows: whatever is there can be looked for.
  const kinds = new Set(Object.keys(SPECS));
  let kindSelect = null;
  let shown = [];
  let fit = [];

  const changed = (id, members) => keys.put(id, members);
  const done = () => keys.refresh();

  const refreshButton = h("button", { type: "button", onclick: () => keys.refresh() }, "Refresh");
  const head = h("div", { class: "page-head" },
    h("div", {}, h("h1", { tabindex: "-1" }, readOnly ? "Default keys" : "Custom keys"), quota),
    h("div", { class: "buttons" }, columnsMenu(), refreshButton,
      !readOnly && h("button", {
        type: "button",
        class: "primary",
        "data-focus": "create",
        onclick: () => createKey(async (id, external) => {
          view.filter = noFilter(readOnly);
          view.page = 0;
          filters.replaceWith(filters = filterBar());
          await keys.refresh();
          if (external && offers("import-key-material")) importMaterial(keys.get(id) ?? await describe(id), done);
          else focusOn(`open:${id}`);
        }),
      }, "Create key")));
  let filters = filterBar();

  function columnsMenu() {
    const boxes = Object.entries(COLUMNS).filter(([, column]) => column.optional).map(([name, { words }]) => {
      const { control, label } = choice("checkbox", words, { checked: view.columns.has(name) });
      control.addEventListener("change", () => {
        if (control.checked) view.columns.add(name);
        else view.columns.delete(name);
        render();
      });
      return label;
    });
    return h("details", { class: "menu" }, h("summary", { role: "button" }, "Columns"), h("div", { class: "card" }, boxes));
  }

  function filterBar() {
    const { filter } = view;
    const use = (member, element, event = "change") => {
      element.addEventListener(event, () => {
        filter[member] = element.value;
        view.page = 0;
        render();
      });
      return element;
    };
    const any = (words, options) => [["", words], ...options];
    const text = use("text", h("input", {
      type: "search", value: filter.text, placeholder: "Name or ID", "aria-label": "Search by name or ID", spellcheck: "false",
    }), "input");
    const pick = (member, label, options) =>
      use(member, select(any(`Any ${label.toLowerCase()}`, options), { "aria-label": label }, filter[member]));
    const date = (member, label) => h("label", { class: "inline" }, `${label} `,
      use(member, h("input", { type: "date", value: filter[member] })));
    const same = Object.entries(STATES).filter(([code]) => code !== "7").map(([code, { words }]) => [code, words]);
    return h("search", { class: "filters", "aria-label": "Filters" },
      text,
      !readOnly && pick("state", "Status", same),
      kindSelect = pick("spec", "Algorithm", [...kinds].map((spec) => [spec, spec])),
      pick("usage", "Usage", Object.entries(USAGES)),
      !readOnly && pick("origin", "Origin", Object.entries(ORIGINS)),
      h("div", { class: "inline dates" }, date("from", "Created from"), date("to", "to")),
      !readOnly && offers("resource_instances/action") && tagFilter(),
      h("button", {
        type: "button",
        class: "small",
        onclick: () => {
          view.filter = noFilter(readOnly);
          view.page = 0;
          fill(tagFault);
          filters.replaceWith(filters = filterBar());
          render();
          filters.querySelector("input").focus();
        },
      }, "Clear filters"));
  }

  function offerKinds() {
    const more = new Set(keys.all().map((key) => key.key_spec).filter((spec) => !kinds.has(spec)));
    for (const spec of more) kinds.add(spec);
    kindSelect.append(...[...more].map((spec) => h("option", { value: spec }, spec)));
  }

  function tagFilter() {
    const { filter } = view;
    const tag = select([["", "Any tag"]], { "aria-label": "Tag" });
    const value = select([["", "Any value"]], { "aria-label": "Value of the tag", hidden: filter.tag === "" });
    let inUse = new Map();
    const offer = () => {
      fill(tag, [["", "Any tag"], ...[...inUse.keys()].map((key) => [key, key])].map(([v, w]) => h("option", { value: v }, w)));
      tag.value = filter.tag;
      fill(value, [["", "Any value"], ...(inUse.get(filter.tag) ?? []).map((v) => [v, v || "(empty)"])].map(([v, w]) => h("option", { value: v }, w)));
      value.value = filter.value;
      value.hidden = filter.tag === "";
    };
    const apply = async () => {
      try {
        filter.tagged = filter.tag === "" ? null : await keysWithTag(filter.tag, filter.value);
        fill(tagFault);
      } catch (error) {
        // Rather no key than keys that may not have the tag.
        filter.tagged = new Set();
        fill(tagFault, refusal(error));
      }
      view.page = 0;
      render();
    };
    tag.addEventListener("change", () => { filter.tag = tag.value; filter.value = ""; offer(); apply(); });
    value.addEventListener("change", () => { filter.value = value.value; apply(); });
    tagsInUse().then((found) => { inUse = found; offer(); }, (error) => fill(tagFault, refusal(error)));
    return [tag, value];
  }

  function render() {
    keepingFocus(() => {
      offerKinds();
      fit = sorted(filtered(keys.all(), view.filter), view.order);
      if (keys.complete) for (const id of view.selected) if (!keys.get(id)) view.selected.delete(id);
      const last = Math.max(0, Math.ceil(fit.length / view.rows) - 1);
      view.page = Math.min(view.page, last);
      shown = fit.slice(view.page * view.rows, (view.page + 1) * view.rows);
      renderHeads();
      fill(body, shown.map(row));
      renderStatus();
      renderBar();
      renderPages(last);
      fill(fault, keys.fault && refusal(keys.fault));
      renderEmpty();
    });
  }

  function visible() {
    return Object.entries(COLUMNS).filter(([name, { optional }]) => !optional || view.columns.has(name));
  }

  function renderHeads() {
    const all = h("input", {
      type: "checkbox",
      "aria-label": "Select every key on this page",
      "data-focus": "select:all",
      checked: shown.length > 0 && shown.every((key) => view.selected.has(key.key_id)),
      onchange: (event) => {
        for (const key of shown) {
          if (event.target.checked) view.selected.add(key.key_id);
          else view.selected.delete(key.key_id);
        }
        render();
      },
    });
    all.indeterminate = !all.checked && shown.some((key) => view.selected.has(key.key_id));
    fill(heads,
      !readOnly && h("th", { role: "columnheader", scope: "col", class: "tick" }, all),
      visible().map(([name, { words, sorts }]) => {
        const here = view.order.by === name;
        const sort = here ? (view.order.descending ? "descending" : "ascending") : "none";
        return h("th", { role: "columnheader", scope: "col", "aria-sort": sorts ? sort : null },
          sorts
            ? h("button", {
              type: "button",
              class: "sort",
              "data-focus": `sort:${name}`,
              onclick: () => {
                view.order = { by: name, descending: here ? !view.order.descending : name === "created" };
                view.page = 0;
                render();
              },
            }, words, h("span", { "aria-hidden": "true" }, here ? (view.order.descending ? " ↓" : " ↑") : ""))
            : words);
      }),
      !readOnly && h("th", { role: "columnheader", scope: "col" }, "Operation"));
  }

  function row(key) {
    const ticked = view.selected.has(key.key_id);
    const cells = {
      name: () => [
        h("a", { href: `#/keys/${key.key_id}`, "data-focus": `open:${key.key_id}` }, key.key_alias),
        h("span", { class: "id" }, key.key_id)],
      state: () => stateBadge(key),
      spec: () => [h("span", {}, key.key_spec), h("span", { class: "quiet" }, usageWords(key.key_usage))],
      origin: () => originWords(key.origin),
      created: () => moment(key.creation_date),
      description: () => key.key_description || "–",
      region: () => key.realm,
      keystore: () => keystoreName(key.keystore_id),
      enterprise: () => (key.sys_enterprise_project_id === "0" ? "default" : key.sys_enterprise_project_id),
    };
    return h("tr", { role: "row", class: ticked && "ticked" },
      !readOnly && h("td", { role: "cell", class: "tick" }, h("input", {
        type: "checkbox",
        checked: ticked,
        "aria-label": `Select ${key.key_alias}`,
        "data-focus": `select:${key.key_id}`,
        onchange: (event) => {
          if (event.target.checked) view.selected.add(key.key_id);
          else view.selected.delete(key.key_id);
          render();
        },
      })),
      visible().map(([name, { words }]) =>
        h("td", { role: "cell", class: `cell-${name}`, "data-label": words }, cells[name]())),
      !readOnly && h("td", { role: "cell", class: "operations", "data-label": "Operation" },
        h("div", { class: "row-buttons" }, keyButtons(key, { changed, done }))));
  }

  function renderStatus() {
    const { filter } = view;
    const all = filtered(keys.all(), noFilter(readOnly)).length;
    const isFiltered = fit.length !== all || filter.tagged !== null;
    const parts = [];
    if (keys.total === null) parts.push(keys.fault ? "" : "Loading keys …");
    else {
      parts.push(isFiltered ? `${count(fit.length)} of ${keysWords(all)} fit the filters.` : `${keysWords(all)}.`);
      if (!keys.complete) parts.push(`Loading the rest: ${count(keys.size)} of ${count(keys.total)} are here.`);
      else parts.push(`As of ${timeOfDay(keys.updated)}.`);
    }
    const said = parts.join(" ");
    if (status.textContent !== said) fill(status, said);
    table.setAttribute("aria-busy", String(!keys.complete && !keys.fault));
    fill(quota, !readOnly && keys.quota
      && `${keysWords(keys.quota.used)} in this project; ${count(Math.max(0, keys.quota.quota - keys.quota.used))} more can be created.`);
  }

  function renderBar() {
    if (readOnly) return;
    const selected = [...view.selected].map((id) => keys.get(id)).filter(Boolean);
    const hidden = selected.length - fit.filter((key) => view.selected.has(key.key_id)).length;
    const wholePage = shown.length > 0 && shown.every((key) => view.selected.has(key.key_id));
    fill(bar,
      Object.entries(ACTIONS).map(([action, { words }]) => {
        const n = selected.filter((key) => misfit(action, key) === null).length;
        return h("button", {
          type: "button",
          "data-focus": `batch:${action}`,
          disabled: n === 0,
          onclick: () => batch(action, selected, { changed, done }),
        }, words, selected.length > 0 && ` (${count(n)})`);
      }),
      h("span", { class: "quiet" }, selected.length === 0 ? "Select keys to act on several at once." : `${count(selected.length)} selected${hidden > 0 ? `, ${count(hidden)} of them hidden by the filters` : ""}`),
      wholePage && selected.length < fit.length && h("button", {
        type: "button",
        class: "link",
        "data-focus": "select:matching",
        onclick: () => { for (const key of fit) view.selected.add(key.key_id); render(); focusOn("batch:enable"); },
      }, `Select all ${count(fit.length)}`),
      selected.length > 0 && h("button", {
        type: "button",
        class: "link",
        onclick: () => { view.selected.clear(); render(); focusOn("select:all"); },
      }, "Clear the selection"));
  }

  function renderPages(last) {
    const go = (page, words, name) => h("button", {
      type: "button",
      "data-focus": `page:${name}`,
      "aria-label": `${words} page`,
      disabled: page < 0 || page > last || page === view.page,
      onclick: () => { view.page = page; render(); table.scrollIntoView({ block: "nearest" }); },
    }, words);
    const rows = select([20, 50, 100, 200].map((n) => [String(n), String(n)]), { "data-focus": "page:rows" }, String(view.rows));
    rows.id = newId("rows");
    rows.addEventListener("change", () => { view.rows = Number(rows.value); view.page = 0; render(); });
    const from = view.page * view.rows;
    fill(pages, fit.length > 0 && [
      go(0, "First", "first"), go(view.page - 1, "Previous", "previous"),
      h("span", { class: "quiet" }, `${count(from + 1)}–${count(from + shown.length)} of ${count(fit.length)}`),
      go(view.page + 1, "Next", "next"), go(last, "Last", "last"),
      h("span", { class: "rows" }, h("label", { for: rows.id, class: "quiet" }, "Rows "), rows),
    ]);
  }

  function renderEmpty() {
    const nothing = shown.length === 0;
    table.hidden = nothing;
    empty.hidden = !nothing || Boolean(keys.fault);
    if (!nothing) return;
    if (keys.total === null) fill(empty, h("p", {}, "Loading …"));
    else if (filtered(keys.all(), noFilter(readOnly)).length > 0) {
      fill(empty, h("h2", {}, "No key fits the filters"), h("p", {}, keys.complete ? "Clear some of them." : "The rest of the keys is still coming in."));
    } else if (!keys.complete) fill(empty, h("p", {}, "Loading …"));
    else if (readOnly) {
      fill(empty, h("h2", {}, "No default keys"), h("p", {}, "They appear here once a cloud service has made one for itself, such as obs/default. They can be used and read, but not changed."));
    } else {
      fill(empty, h("h2", {}, "No keys yet"), h("p", {}, "A key never leaves kmsd: applications send it small data to encrypt, sign or verify, or ask it for data keys. Create key makes the first."));
    }
  }

  const tick = setInterval(() => {
    for (const place of document.querySelectorAll("[data-until]")) fill(place, left(place.dataset.until));
    const age = (Date.now() - keys.tried) / 1000;
    const due = age >= (keys.size > MANY ? EVERY_WHEN_MANY : EVERY);
    if (due && !keys.loading && !dialogIsOpen() && document.visibilityState === "visible") keys.refresh();
  }, 5000);

  keys.addEventListener("change", render);
  render();
  keys.refresh();
  return {
    title: readOnly ? "Default keys" : "Custom keys",
    element: h("main", { id: "main" }, head, filters, tagFault, fault, !readOnly && bar, status,
      h("div", { class: "table-frame" }, table, empty), pages),
    leave: () => {
      clearInterval(tick);
      keys.removeEventListener("change", render);
    },
  };
}

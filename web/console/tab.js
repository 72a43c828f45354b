// What the tabs have in common: something that is read from the server, shown, and read again.

import { fill, h, refusal } from "./dom.js";

/** A section that shows what `read` gives by `show(value, again)`; a refusal in its place. */
export function section(read, show) {
  const element = h("div", { class: "tab" }, h("p", { role: "status", class: "quiet" }, "Loading …"));
  const again = async () => {
    try {
      fill(element, show(await read(), again));
    } catch (error) {
      fill(element, refusal(error), h("button", { type: "button", onclick: again }, "Try again"));
    }
  };
  again();
  return element;
}

/** A plain table. `rows` are arrays of what the cells hold. */
export function plainTable(label, heads, rows, empty) {
  if (rows.length === 0) return h("p", { class: "empty" }, empty);
  return h("div", { class: "table-frame", tabindex: "0", role: "region", "aria-label": label }, h("table", { role: "table", "aria-label": label },
    h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, heads.map((words) => h("th", { role: "columnheader", scope: "col" }, words)))),
    h("tbody", { role: "rowgroup" }, rows.map((cells) => h("tr", { role: "row" },
      cells.map((cell, at) => h("td", { role: "cell", "data-label": heads[at] }, cell)))))));
}

// The key's audit trail, the newest record first. Reading it leaves a record too.

import { keyRecords } from "./api.js";
import { fill, h, refusal } from "./dom.js";
import { plainTable, section } from "./tab.js";
import { moment } from "./words.js";

const HEADS = ["When", "What", "Outcome", "Who", "From", "Detail"];

export function auditTab(key) {
  return section(() => keyRecords(key.key_id), (page, again) => {
    const place = h("div", {});
    const more = h("div", { class: "buttons start" });
    const records = [];
    const show = (page) => {
      records.push(...page.records);
      fill(place, plainTable("Audit records", HEADS, records.map(cells), "There are no records of this key."));
      fill(more,
        h("button", { type: "button", onclick: again }, "Refresh"),
        page.next_marker && h("button", {
          type: "button",
          onclick: async (event) => {
            event.target.disabled = true;
            try {
              show(await keyRecords(key.key_id, page.next_marker));
            } catch (error) {
              event.target.disabled = false;
              more.append(refusal(error));
            }
          },
        }, "Older records"));
    };
    show(page);
    return [more, place];
  });
}

function cells(record) {
  return [
    h("time", { title: `Request ${record.request_id}` }, moment(record.at)),
    record.action,
    h("span", { class: `badge ${record.outcome === "ok" ? "good" : "bad"}` }, record.outcome),
    [h("span", {}, record.user_name || "kmsd"), h("span", { class: "quiet" }, record.credential)],
    record.address || "–",
    record.detail || "–",
  ];
}

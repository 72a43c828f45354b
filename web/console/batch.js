// One action on many keys: says beforehand which it fits, shows how far it is, tells how each
// ended, and tries again those that failed.

import { field, fill, h, openDialog, choice, confirmation } from "./dom.js";
import { ACTIONS, misfit, stateIn } from "./rules.js";
import { count, keysWords, left, stateWords } from "./words.js";

/** Calls at a time: quick, and no burden to others. */
const AT_ONCE = 4;
/** Keys that are listed by name; of more, the rest is a number. */
const LISTED = 200;

const MIN_DAYS = 7;
const MAX_DAYS = 1096;

/** Asks, then does it. `changed(id, members)` hears of every key that changed. */
export function batch(action, keys, { changed, done }) {
  const { words, danger } = ACTIONS[action];
  const fit = keys.filter((key) => misfit(action, key) === null);
  const unfit = keys.filter((key) => misfit(action, key) !== null);
  let running = false;
  let ran = false;
  openDialog(
    `${words}: ${keysWords(fit.length)}`,
    (close) => {
      const asked = questions(action, fit.length);
      const go = h("button", {
        type: "submit", class: danger ? "danger" : "primary", disabled: !asked.ready(),
      }, words);
      const check = () => { go.disabled = !asked.ready(); };
      const body = h("form", {
        oninput: check,
        onchange: check,
        onsubmit: (event) => {
          event.preventDefault();
          if (!asked.ready()) return;
          running = true;
          ran = true;
          run(action, fit, asked.options(), { body, close, changed, stopped: () => { running = false; } });
        },
      },
      h("p", {}, asked.words),
      names(fit),
      unfit.length > 0 && h("div", { class: "left-alone" },
        h("p", {}, h("strong", {}, `${keysWords(unfit.length)} will be left alone`),
          `, for ${words} does not fit ${unfit.length === 1 ? "it" : "them"}:`),
        names(unfit, (key) => misfit(action, key))),
      asked.fields,
      h("div", { class: "buttons" },
        h("button", { type: "button", onclick: close }, "Close"), go));
      return body;
    },
    { wide: true, busy: () => running, onclose: () => ran && done() },
  );
}

/** What is asked before each action. */
function questions(action, n) {
  const these = n === 1 ? "this key" : "these keys";
  const plain = { fields: [], ready: () => true, options: () => ({}) };
  switch (action) {
    case "enable":
      return { ...plain, words: `Let ${these} be used again.` };
    case "cancel":
      return {
        ...plain,
        words: `Call off the deletion. Each key becomes Disabled, or Pending import if it is external and has no material.`,
      };
    case "disable": {
      const { control, label } = choice("checkbox",
        `I understand that nothing can be encrypted, decrypted, signed or verified with ${these} until enabled again.`);
      return { ...plain, words: `Keep ${these} from being used.`, fields: [label], ready: () => control.checked };
    }
    case "delete": {
      const days = h("input", {
        type: "number", min: MIN_DAYS, max: MAX_DAYS, step: "1", value: "7", required: true,
      });
      const word = confirmation("DELETE");
      const when = h("p", { class: "hint", role: "status" });
      const given = () => (days.validity.valid ? Number(days.value) : 0);
      const tell = () => {
        fill(when, given() ? `That is on ${new Date(Date.now() + given() * 86_400_000).toLocaleDateString(undefined, { dateStyle: "full" })}. Until then it can be cancelled.` : "7 to 1096 days.");
      };
      days.addEventListener("input", tell);
      tell();
      return {
        words: `Destroy ${these} after a waiting time. What was encrypted with ${n === 1 ? "it" : "them"} is then lost for good.`,
        fields: [field("Days to wait, 7 to 1096", days), when, word.field],
        ready: () => given() > 0 && word.given(),
        options: () => ({ days: given() }),
      };
    }
  }
}

function names(keys, why) {
  const shown = keys.slice(0, LISTED).map((key) => h("li", {},
    h("span", { class: "name" }, key.key_alias),
    h("span", { class: "quiet" }, why ? why(key) : stateWords(key.key_state))));
  const more = keys.length - shown.length;
  return h("ul", { class: "names", tabindex: "0", "aria-label": keysWords(keys.length) },
    shown, more > 0 && h("li", { class: "quiet" }, `and ${count(more)} more`));
}

async function run(action, keys, options, { body, close, changed, stopped }) {
  const { words, call } = ACTIONS[action];
  const failed = [];
  let ended = 0;
  let stop = false;
  const bar = h("progress", { max: keys.length, value: 0, "aria-label": `${words}: keys done` });
  const far = h("p", { class: "far" });
  const said = h("p", { role: "status", "aria-live": "polite", tabindex: "-1" });
  const list = h("ul", { class: "names outcomes", tabindex: "0", "aria-label": "Outcome of each key" });
  const buttons = h("div", { class: "buttons" },
    h("button", { type: "button", onclick: () => { stop = true; } }, "Stop"));
  fill(body, said, bar, far, list, buttons);
  buttons.firstChild.focus();

  const tell = (key, outcome, kind) => {
    const line = h("li", { class: kind }, h("span", { class: "name" }, key.key_alias), outcome);
    if (kind === "failed") list.prepend(line);
    else if (list.childElementCount < LISTED) list.append(line);
  };
  const one = async (key) => {
    try {
      const state = stateIn(await call(key, options));
      const date = options.days ? String(Date.now() + options.days * 86_400_000) : "";
      changed(key.key_id, { key_state: state, scheduled_deletion_date: date });
      tell(key, h("span", {}, stateWords(state), date && `, ${left(date, Date.now() - 1000)}`), "done");
    } catch (error) {
      failed.push(key);
      tell(key, h("span", {}, h("strong", {}, error.code), ` ${error.message}`), "failed");
    }
    ended += 1;
    bar.value = ended;
    fill(far, `${count(ended)} of ${keysWords(keys.length)}`);
  };
  const waiting = [...keys];
  const worker = async () => {
    while (!stop && waiting.length > 0) await one(waiting.shift());
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));

  stopped();
  const good = ended - failed.length;
  fill(said, h("strong", {}, `${count(good)} of ${keysWords(keys.length)} done`),
    failed.length > 0 && `, ${count(failed.length)} failed`,
    waiting.length > 0 && `, ${count(waiting.length)} not tried`,
    ".");
  const again = [...failed, ...waiting];
  fill(buttons,
    again.length > 0 && h("button", {
      type: "button",
      class: "primary",
      onclick: () => run(action, again, options, { body, close, changed, stopped }),
    }, `Try ${keysWords(again.length)} again`),
    h("button", { type: "button", onclick: close, class: again.length === 0 && "primary" }, "Close"));
  buttons.firstChild.focus();
}

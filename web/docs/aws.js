// Shows what aws.json says of each operation. All of it becomes text, never HTML.

/** An element with attributes and children; what is no element becomes text. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.filter((child) => child !== null));
  return element;
}

const code = (text) => make("code", {}, text);
const at = (id) => document.getElementById(id);

/** A table that scrolls by itself where the screen is narrow. */
function table(label, heads, rows) {
  const cells = (row) => row.map((cell, n) => make(n ? "td" : "th", n ? {} : { scope: "row" }, ...[cell].flat()));
  return make("div", { class: "wide", tabindex: 0, role: "region", "aria-label": label },
    make("table", {},
      make("thead", {}, make("tr", {}, ...heads.map((head) => make("th", { scope: "col" }, head)))),
      make("tbody", {}, ...rows.map((row) => make("tr", {}, ...cells(row))))));
}

const STATES = ["Enabled", "Disabled", "PendingDeletion", "PendingImport"];
const errorRow = (name, { status, why }) => [code(name), String(status), why];

/** How much of something: "1 to 50 characters", "at most 10". */
function extent({ min, max }, unit = "") {
  if (max === undefined) return min ? `at least ${min}${unit}` : "";
  return min === max ? `${max}${unit}` : min ? `${min} to ${max}${unit}` : `at most ${max}${unit}`;
}

/** What a type allows, in words and code. */
function limits(shape, types) {
  const unit = { string: " characters", blob: " bytes", list: " items" }[shape.type] ?? "";
  const parts = [extent(shape, unit)].filter(Boolean);
  if (shape.enum) parts.push(shape.enum.flatMap((word, n) => (n ? [", ", code(word)] : [code(word)])));
  if (shape.pattern) parts.push(["pattern ", code(shape.pattern)]);
  if (shape.item && types[shape.item].type !== "structure") parts.push(["of each: ", ...limits(types[shape.item], types)]);
  return parts.flatMap((part, n) => (n ? ["; ", part] : [part])).flat();
}

function kind(shape, types) {
  if (shape.type === "list") return `list of ${kind(types[shape.item], types)}s`;
  if (shape.type === "map") return "map of strings";
  return { blob: "base64 string", structure: "object", timestamp: "number (a date)" }[shape.type] ?? shape.type;
}

/** A row for each member, those of members below their own. What is needed comes first. */
function members(shape, types, path = "") {
  const needed = new Set(shape.required ?? []);
  const names = Object.keys(shape.members ?? {}).sort((a, b) => needed.has(b) - needed.has(a) || a.localeCompare(b));
  return names.flatMap((name) => {
    const inner = types[shape.members[name]];
    const row = [[code(path + name), needed.has(name) ? make("span", { class: "needed" }, " required") : null]
      .filter(Boolean), kind(inner, types), limits(inner, types)];
    const below = inner.type === "list" ? types[inner.item] : inner;
    const deeper = `${path}${name}${inner.type === "list" ? "[]" : ""}.`;
    return [row, ...(below.type === "structure" ? members(below, types, deeper) : [])];
  });
}

function memberTable(label, name, types, none) {
  const rows = name ? members(types[name], types) : [];
  return rows.length ? table(label, ["Member", "Type", "Limits"], rows) : make("p", { class: "quiet" }, none);
}

const dashed = (name) => name.replace(/([a-z])(?=[A-Z])|([A-Z])(?=[A-Z][a-z])/g, "$1$2-").toLowerCase();

/** How the AWS command line would be asked, with what is required. */
function commandLine(name, { input }, types) {
  const needed = input ? types[input].required ?? [] : [];
  return [`aws kms ${dashed(name)}`, ...needed.map((member) => `--${dashed(member)} …`)].join(" ");
}

function fill(name, one, { types, errors, target }) {
  const permission = [code(`kms:${name}`), " in a key's policy; of a user's roles the permission ",
    code(one.permission), ", which these have: ",
    ...one.roles.flatMap((role, n) => (n ? [", ", code(role)] : [code(role)])), ".",
    one.for_others ? " A key's policy can let another account do it." : ""];
  const states = one.states && STATES.map((state) => [code(state), one.states[state] === "yes"
    ? make("span", { class: "yes" }, "yes") : make("span", { class: "no" }, one.states[state])]);
  return make("div", { class: "body" },
    make("h4", {}, "Call"),
    make("pre", { tabindex: 0, "aria-label": `How to call ${name}` }, make("code", {},
      `POST /\nX-Amz-Target: ${target}${name}\n\n${commandLine(name, one, types)}`)),
    make("h4", {}, "Request"),
    memberTable(`Members of a request for ${name}`, one.input, types, "No members: {}."),
    make("h4", {}, "Answer"),
    memberTable(`Members of an answer to ${name}`, one.output, types, "Nothing but 200."),
    make("h4", {}, "Permission"), make("p", {}, ...permission),
    ...(states ? [make("h4", {}, "State of the key"), table(`${name} by state of the key`, ["State", "Allowed"], states)] : []),
    make("h4", {}, "Errors, beside those of every operation"),
    table(`Errors of ${name}`, ["Type", "Status", "When"], one.errors.map((error) => errorRow(error, errors[error]))));
}

/** An operation's line, which is filled in when it is opened for the first time. */
function operation(name, one, told) {
  const details = make("details", { id: name, name: "operation" },
    make("summary", {}, make("h3", {}, name), make("span", { class: "quiet" }, one.does)));
  details.addEventListener("toggle", () => {
    if (!details.open) return;
    if (details.children.length < 2) details.append(fill(name, one, told));
    history.replaceState(null, "", `#${name}`);
  });
  return details;
}

/** Everything that a search looks through. */
function words(name, one, types) {
  const rows = [one.input, one.output].flatMap((shape) => (shape ? members(types[shape], types) : []));
  const paths = rows.map(([cell]) => cell[0].textContent);
  return [name, one.does, one.permission, ...one.errors, ...paths].join(" ").toLowerCase();
}

function openNamed() {
  const named = at(decodeURIComponent(location.hash.slice(1)));
  if (named?.tagName === "DETAILS") {
    named.open = true;
    named.scrollIntoView();
  }
}

async function start() {
  at("endpoint").textContent = location.origin;
  at("example").textContent = [
    `export AWS_ENDPOINT_URL_KMS=${location.origin}`,
    "export AWS_ACCESS_KEY_ID=… AWS_SECRET_ACCESS_KEY=… AWS_DEFAULT_REGION=…",
    "aws kms create-key --description \"orders database\"",
    "aws kms cancel-key-deletion --key-id …",
  ].join("\n");
  const answer = await fetch("/docs/aws.json");
  if (!answer.ok) throw new Error(`/docs/aws.json: ${answer.status}`);
  const told = await answer.json();
  at("everywhere").append(table("Errors of every operation", ["Type", "Status", "When"],
    Object.entries(told.everywhere).map(([name, error]) => errorRow(name, error))));
  const all = Object.entries(told.operations).map(([name, one]) => [operation(name, one, told), words(name, one, told.types)]);
  at("operations").append(...all.map(([details]) => details));
  at("count").textContent = `${all.length} operations`;
  at("search").addEventListener("input", ({ target }) => {
    const wanted = target.value.trim().toLowerCase();
    const shown = all.filter(([details, text]) => !(details.hidden = !text.includes(wanted)));
    at("found").textContent = wanted ? `${shown.length} of ${all.length} operations` : "";
  });
  addEventListener("hashchange", openNamed);
  openNamed();
}

start().catch((error) => {
  at("operations").replaceChildren(make("p", { role: "alert" }, `The operations could not be loaded: ${error.message}`));
});

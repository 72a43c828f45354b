// The one way to the server: Huawei's public API, as any other client calls it. The token lives in
// this module and nowhere else; it is gone when the page is.

/** An answer that is not success: the API's own code and words. */
export class Refusal extends Error {
  constructor(status, code, message, requestId) {
    super(message);
    Object.assign(this, { status, code, requestId });
  }
}

let token = null;
let account = null;
let signInAgain = null;
let underWay = null;
let described = null;

/** Who is signed in, and for which project: {user, domain, project, projectId}; or null. */
export const who = () => account;

/** Says what to do when the session has ended: a function that signs in again, or throws. */
export function onExpiry(ask) {
  signInAgain = ask;
}

async function send(method, path, body, headers = {}) {
  let response;
  try {
    response = await fetch(path, {
      method,
      headers: {
        ...(body === undefined ? {} : { "Content-Type": "application/json" }),
        ...headers,
      },
      body: body === undefined ? undefined : JSON.stringify(body),
      cache: "no-store",
      credentials: "omit",
      redirect: "error",
      referrerPolicy: "no-referrer",
    });
  } catch {
    throw new Refusal(0, "Not reached", "The server does not answer. Try again in a moment.");
  }
  const text = await response.text();
  let value = {};
  try {
    value = text === "" ? {} : JSON.parse(text);
  } catch {
    throw new Refusal(response.status, `HTTP ${response.status}`, "The answer is not JSON.");
  }
  if (response.ok) return { value, response };
  const error = value.error ?? {};
  throw new Refusal(
    response.status,
    error.error_code ?? `${error.code ?? response.status} ${error.title ?? ""}`.trim(),
    error.error_msg ?? error.message ?? response.statusText,
    response.headers.get("X-Request-Id"),
  );
}

async function takeToken(auth) {
  const { value, response } = await send("POST", "/v3/auth/tokens?nocatalog", { auth });
  const given = response.headers.get("X-Subject-Token");
  if (!given || !value.token.project) {
    throw new Refusal(response.status, "No token", "The server gave no token for a project.");
  }
  token = given;
  account = {
    user: value.token.user.name,
    domain: value.token.user.domain.name,
    project: value.token.project.name,
    projectId: value.token.project.id,
  };
}

/** Signs in with a password, for a project by its name. */
export function signIn({ user, password, domain, project }) {
  return takeToken({
    identity: {
      methods: ["password"],
      password: { user: { name: user, password, domain: { name: domain } } },
    },
    scope: { project: { name: project, domain: { name: domain } } },
  });
}

/** Exchanges the token for one of another project. */
export const switchProject = (id) => inSession(() => takeToken({
  identity: { methods: ["token"], token: { id: token } },
  scope: { project: { id } },
}));

/** Ends the session, here and on the server. */
export async function signOut() {
  const ended = token;
  token = null;
  account = null;
  try {
    await send("DELETE", "/v3/auth/tokens", undefined, {
      "X-Auth-Token": ended,
      "X-Subject-Token": ended,
    });
  } catch {
    // It ends by itself.
  }
}

/** A call with the token. */
export const call = (method, path, body) => inSession(async () =>
  (await send(method, path, body, { "X-Auth-Token": token })).value);

/** Does what needs a token. When the session has ended, it waits for a new one and does it again. */
async function inSession(run) {
  const used = token;
  try {
    return await run();
  } catch (error) {
    if (error.status !== 401 || !signInAgain || !account) throw error;
    // Calls that fail together ask together, and who fails late finds that somebody has asked.
    if (token === used) {
      underWay ??= signInAgain(account, error).finally(() => { underWay = null; });
      await underWay;
    }
    return run();
  }
}

const project = () => encodeURIComponent(account.projectId);

/** A path of the project's keys. */
export const kmsPath = (rest) => `/v1.0/${project()}/kms/${rest}`;

/** `POST …/kms/{action}` */
export const kms = (action, body) => call("POST", kmsPath(action), body);

/** `GET …/kms/{path}` */
export const kmsGet = (path) => call("GET", kmsPath(path));

/** The records of a key: kmsd's own call. */
export const keyRecords = (id, marker) => call(
  "GET",
  `/kmsd/v1/${project()}/keys/${encodeURIComponent(id)}/audit?limit=50`
    + (marker ? `&marker=${encodeURIComponent(marker)}` : ""),
);

/** The projects that the user may use. */
export async function projects() {
  return (await call("GET", "/v3/auth/projects")).projects;
}

/** Learns from the server's own description what it offers; nothing else is shown. */
export async function learn() {
  described ??= (await fetch("/openapi.json", { credentials: "omit" })).json();
  described = await described;
}

/** The keystores of the project beside the built-in one. */
export async function keystores() {
  if (!serves("/v1.0/{project_id}/keystores", "get")) return [];
  const answer = await call("GET", `/v1.0/${project()}/keystores?limit=100`);
  for (const { keystore_id: id, keystore_alias: name } of answer.keystores) keystoreNames.set(id, name);
  return answer.keystores.filter((keystore) => keystore.keystore_type !== "DEFAULT");
}

// The keystore that is always there has the id 0.
const keystoreNames = new Map([["0", "Built-in"]]);

/** What a keystore is called, as far as it was read; else its id. */
export const keystoreName = (id) => keystoreNames.get(id) ?? id;

/** Whether the server has an operation: its path below `kms/`, its method in small letters. */
export const offers = (path, method = "post") => serves(`/v1.0/{project_id}/kms/${path}`, method);

/** Whether it has one at a path of its own. */
export const serves = (path, method) => Boolean(described?.paths?.[path]?.[method]);

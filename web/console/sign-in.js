// Signing in: the page for those who come, and the dialog for those whose session has ended.

import { signIn, switchProject } from "./api.js";
import { field, fill, h, openDialog, refusal } from "./dom.js";

/** The page. `done` is called when there is a token. */
export function signInPage(last, done) {
  const input = (name, type, autocomplete, value = "") =>
    h("input", { name, type, autocomplete, required: true, value, spellcheck: "false" });
  const user = input("user", "text", "username", last?.user);
  const password = input("password", "password", "current-password");
  const domain = input("domain", "text", "organization", last?.domain);
  const project = input("project", "text", "off", last?.project);
  const fault = h("div", {});
  const button = h("button", { type: "submit", class: "primary" }, "Sign in");
  const form = h("form", {
    class: "sign-in card",
    onsubmit: async (event) => {
      event.preventDefault();
      fill(fault);
      button.disabled = true;
      try {
        await signIn({
          user: user.value,
          password: password.value,
          domain: domain.value,
          project: project.value,
        });
        done();
      } catch (error) {
        fill(fault, refusal(error));
        password.select();
      } finally {
        button.disabled = false;
      }
    },
  },
  h("h1", { tabindex: "-1" }, "Sign in to kmsd"),
  field("Domain", domain, "The account, as in domain.name of a token."),
  field("User", user),
  field("Password", password),
  field("Project", project, "The first project has the name of the home region."),
  fault,
  h("div", { class: "buttons" }, button),
  h("p", { class: "hint" }, "The session lives in this tab only, and ends when you close or reload it."));
  return h("main", { id: "main", class: "centred" }, form);
}

/** Asks for the password again and gives the session back; throws `why` when nobody wants to. */
export function signInAgain(account, why) {
  return new Promise((resolve, reject) => {
    let signedIn = false;
    openDialog("Your session has ended", (close) => {
      const password = h("input", { type: "password", autocomplete: "current-password", required: true });
      const fault = h("div", {});
      const button = h("button", { type: "submit", class: "primary" }, "Sign in and go on");
      return h("form", {
        class: "again",
        onsubmit: async (event) => {
          event.preventDefault();
          button.disabled = true;
          fill(fault);
          try {
            await signIn({ ...account, password: password.value });
            signedIn = true;
            close();
          } catch (error) {
            fill(fault, refusal(error));
            password.select();
          } finally {
            button.disabled = false;
          }
        },
      },
      h("p", {}, `Sign in as ${account.user} of ${account.domain} for ${account.project}, and what you were doing goes on.`),
      h("p", { class: "hint" }, `${why.code}: ${why.message}`),
      field("Password", password),
      fault,
      h("div", { class: "buttons" },
        h("button", { type: "button", onclick: close }, "Cancel"), button));
    }, { onclose: () => (signedIn ? resolve() : reject(why)) });
  });
}

/** Goes over to another project of the user's. */
export const enterProject = (id) => switchProject(id);

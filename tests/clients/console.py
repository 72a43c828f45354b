"""The console and the API reference in a real browser, headless: what a person sees and does."""

import concurrent.futures
import os
import pathlib
import re
import shutil
import time

import axe_playwright_python
import boto3
import requests
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from playwright.sync_api import expect, sync_playwright

from common import check, done, fail, password_token, setting

BASE = setting("KMS_ENDPOINT")
AXE = (pathlib.Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
SHOTS = os.environ.get("KMSD_TEST_SHOTS")
MANY = 10_000
SCRIPT = """<img src=x onerror="window.hacked=1"><script>window.hacked=1</script> & "it's" {{1}}"""


def given_names(page):
    """The names in the list, as they stand there, that somebody has thought of. Some keys are named
    by their ids, whose digits the page sorts as numbers."""
    names = page.locator(".cell-name a").all_inner_texts()
    return [name for name in names if not re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", name)]


def api(action, body, suffix="", token=None):
    """A call beside the browser; a refusal ends the run."""
    answer = requests.post(
        f"{BASE}/v1.0/{setting(f'KMS_PROJECT_ID{suffix}')}/kms/{action}",
        json=body, headers={"X-Auth-Token": token or password_token(suffix=suffix)}, timeout=30,
    )
    if answer.status_code >= 300:
        fail(f"{action} {body}: {answer.status_code} {answer.text}")
    return answer.json() if answer.content else {}


def create(name, **members):
    return api("create-key", {"key_alias": name, **members})["key_info"]["key_id"]


def states(*ids):
    return [api("describe-key", {"key_id": key})["key_info"]["key_state"] for key in ids]


class Visit:
    """A browser window of its own; whatever it asks of others, or complains of, is a fault."""

    def __init__(self, browser, dark=False, width=1280, height=800):
        self.context = browser.new_context(
            viewport={"width": width, "height": height}, locale="en-GB",
            color_scheme="dark" if dark else "light", reduced_motion="reduce",
        )
        self.dark = dark
        self.faults = []
        self.token = None
        self.page = self.context.new_page()
        self.page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        self.page.on("console", self.heard)
        self.context.on("request", self.asked)

    def heard(self, message):
        # That a call was refused is told by the browser too, and is part of the play.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.faults.append(message.text)

    def asked(self, request):
        if not request.url.startswith((BASE + "/", "blob:", "data:")):
            self.faults.append(f"asked {request.url}")
        self.token = request.headers.get("x-auth-token", self.token)

    def sign_in(self, suffix="", password=None):
        page = self.page
        if not page.url.startswith(BASE):
            page.goto(f"{BASE}/console")
        page.get_by_label("Domain").fill(setting(f"IAM_DOMAIN{suffix}"))
        page.get_by_label("User").fill(setting(f"IAM_USER{suffix}"))
        page.get_by_label("Password").fill(password or setting(f"IAM_PASSWORD{suffix}"))
        page.get_by_label("Project").fill(setting(f"IAM_PROJECT{suffix}"))
        page.get_by_role("button", name="Sign in").click()
        if password is None:
            page.get_by_role("heading", name="Custom keys").wait_for()
        return page

    def row(self, name):
        return self.page.get_by_role("row").filter(has=self.page.get_by_role("link", name=name, exact=True))

    def select(self, *names):
        for name in names:
            self.page.get_by_label(f"Select {name}", exact=True).check()

    def shows(self, name, words):
        expect(self.row(name)).to_contain_text(words)

    def shot(self, name):
        if SHOTS:
            shade = "dark" if self.dark else "light"
            self.page.screenshot(path=f"{SHOTS}/{name}-{shade}.png")

    def accessible(self, what):
        """Fails on what axe-core calls serious or critical."""
        self.page.evaluate(AXE)
        found = self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
        grave = [
            f"{one['impact']} {one['id']}: {node['html'][:160]}\n        {node['failureSummary'][:300]}"
            for one in found if one["impact"] in ("serious", "critical") for node in one["nodes"][:3]
        ]
        if grave:
            fail(f"accessibility of {what}:\n      " + "\n      ".join(grave))

    def leave(self):
        self.context.close()
        if self.faults:
            fail("the browser complains:\n      " + "\n      ".join(self.faults))


def signing_in(browser):
    visit = Visit(browser)
    page = visit.sign_in(password="wrong")
    expect(page.get_by_role("alert")).to_contain_text("401 Unauthorized")
    check("the wrong password is kept out", page.get_by_role("heading", name="Custom keys").count(), 0)
    visit.sign_in()
    expect(page.get_by_role("heading", name="No keys yet")).to_be_visible()
    kept = page.evaluate("[localStorage.length, sessionStorage.length, document.cookie, location.href]")
    check("nothing is stored and nothing is in the address", kept, [0, 0, "", f"{BASE}/console"])
    page.get_by_role("link", name="Default keys").click()
    expect(page.get_by_role("table", name="Default keys").get_by_role("row")).to_have_count(4)
    check("default keys are only looked at", page.get_by_role("checkbox").count(), 0)
    page.get_by_role("link", name="obs/default").click()
    page.get_by_role("tab", name="Tool").wait_for()
    check("and not edited", page.get_by_role("button", name=re.compile("Edit|Disable|Delete")).count(), 0)
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("heading", name="Sign in to kmsd").wait_for()
    old = requests.get(f"{BASE}/v3/auth/projects", headers={"X-Auth-Token": visit.token}, timeout=10)
    check("signing out ends the token", old.status_code, 401)
    visit.leave()


def creating(browser):
    visit = Visit(browser)
    page = visit.sign_in()
    page.get_by_role("button", name="Create key").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("orders-db")
    dialog.locator("summary").click()
    dialog.get_by_label("Description", exact=True).fill(SCRIPT)
    dialog.get_by_role("button", name="Create key").click()
    visit.shows("orders-db", "Enabled")
    page.get_by_role("button", name="Create key").click()
    dialog.get_by_label("Name").fill("orders-db")
    dialog.get_by_role("button", name="Create key").click()
    expect(dialog.get_by_role("alert")).to_contain_text("KMS.1104")
    dialog.get_by_label("Name").fill("not a name")
    dialog.get_by_role("button", name="Create key").click()
    expect(dialog.get_by_role("alert")).to_contain_text("KMS.1101")
    dialog.get_by_label("Algorithm").select_option("EC_P384")
    dialog.get_by_label("Usage").select_option("KEY_AGREEMENT")
    dialog.get_by_label("Name").fill("agree")
    dialog.get_by_role("button", name="Create key").click()
    visit.shows("agree", "Key agreement")
    done("keys are created, and refusals are shown where they happen")

    page.get_by_role("link", name="orders-db").click()
    expect(page.get_by_text(SCRIPT)).to_be_visible()
    check("a script in a description is text", page.evaluate("[window.hacked, document.images.length]"), [None, 0])
    page.get_by_label("Plaintext").fill("card=4111 äöü")
    page.get_by_role("button", name="Encrypt", exact=True).click()
    result = page.get_by_label("Encrypt: result")
    expect(result).to_have_value(re.compile("^[A-Za-z0-9+/=]{128,}$"))
    page.get_by_label("Ciphertext", exact=True).fill(result.input_value())
    page.get_by_role("button", name="Decrypt", exact=True).click()
    expect(page.get_by_label("Decrypt: result")).to_have_value("card=4111 äöü")
    page.get_by_label("Ciphertext", exact=True).fill("A" * 200)
    page.get_by_role("button", name="Decrypt", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("KMS.2201")
    done("the tool encrypts, decrypts, and shows a refusal")

    page.get_by_role("button", name="Edit the description").click()
    page.get_by_role("dialog").get_by_label("Description").fill("orders database")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("orders database")).to_be_visible()
    page.get_by_role("tab", name="Audit trail").click()
    records = page.get_by_role("table", name="Audit records").get_by_role("row")
    expect(records.nth(1)).to_contain_text("DescribeKey")
    expect(records.last).to_contain_text("CreateKey")
    page.goto(f"{BASE}/console#/keys/00000000-0000-4000-8000-000000000000")
    expect(page.get_by_role("heading", name="There is no such key")).to_be_visible()
    expect(page.get_by_role("alert")).to_contain_text("KMS.0207")
    done("a key's page: edits, audit trail, and a key that is not there")
    visit.leave()


def deleting_and_cancelling(browser):
    """Three keys are scheduled in one batch and rescued in one."""
    two = [create("alpha"), create("beta")]
    third = create("gamma", origin="external")
    create("delta")
    visit = Visit(browser)
    page = visit.sign_in()
    visit.select("alpha", "beta", "gamma")
    page.get_by_role("button", name="Delete (3)").click()
    dialog = page.get_by_role("dialog")
    go = dialog.get_by_role("button", name="Delete", exact=True)
    dialog.get_by_label("Type DELETE to confirm").fill("DELETE")
    for days, ready in [("6", False), ("1097", False), ("7.5", False), ("", False), ("1096", True), ("7", True)]:
        dialog.get_by_label("Days to wait").fill(days)
        check(f"{days or 'no'} days can be asked for", go.is_enabled(), ready)
    dialog.get_by_label("Type DELETE to confirm").fill("delete")
    check("the word must be typed", go.is_enabled(), False)
    dialog.get_by_label("Type DELETE to confirm").fill("DELETE")
    go.click()
    expect(dialog.get_by_text("3 of 3 keys done")).to_be_visible()
    dialog.get_by_role("button", name="Close").click()
    for name in ("alpha", "beta", "gamma"):
        visit.shows(name, "Pending deletion")
        visit.shows(name, "6 d 23 h left")
    check("three keys are scheduled", states(*two, third), ["4", "4", "4"])

    visit.select("delta")
    visit.shot("list")
    page.get_by_role("button", name="Cancel deletion (3)").click()
    alone = dialog.locator(".left-alone")
    expect(alone).to_contain_text("1 key will be left alone")
    expect(alone).to_contain_text("is Enabled")
    visit.shot("cancel")
    dialog.get_by_role("button", name="Cancel deletion", exact=True).click()
    expect(dialog.get_by_text("3 of 3 keys done")).to_be_visible()
    visit.shot("result")
    check("each outcome is told", sorted(dialog.get_by_role("listitem").all_inner_texts()),
          ["alpha\nDisabled", "beta\nDisabled", "gamma\nPending import"])
    dialog.get_by_role("button", name="Close").click()
    for name, words in [("alpha", "Disabled"), ("beta", "Disabled"), ("gamma", "Pending import")]:
        visit.shows(name, words)
    check("Disabled, Disabled, Pending import", states(*two, third), ["3", "3", "5"])
    visit.leave()


def failing_and_trying_again(browser):
    keys = {name: create(name) for name in ("one", "two")}
    visit = Visit(browser)
    page = visit.sign_in()
    visit.select("one", "two")
    page.get_by_role("button", name="Disable (2)").click()
    dialog = page.get_by_role("dialog")
    go = dialog.get_by_role("button", name="Disable", exact=True)
    check("disabling is to be understood first", go.is_enabled(), False)
    dialog.get_by_role("checkbox").check()
    api("disable-key", {"key_id": keys["two"]})  # somebody was faster
    go.click()
    expect(dialog.get_by_text("1 of 2 keys done, 1 failed.")).to_be_visible()
    expect(dialog.get_by_role("listitem").first).to_contain_text("KMS.1301")
    api("enable-key", {"key_id": keys["two"]})
    dialog.get_by_role("button", name="Try 1 key again").click()
    expect(dialog.get_by_text("1 of 1 key done.")).to_be_visible()
    dialog.get_by_role("button", name="Close").click()
    check("both are disabled in the end", states(*keys.values()), ["3", "3"])
    visit.leave()


def filtering(browser):
    visit = Visit(browser)
    visit.page.clock.install()
    page = visit.sign_in()
    rows = page.get_by_role("table").get_by_role("row")
    status = page.get_by_role("status")
    page.get_by_label("Search by name or ID").fill("ALPH")
    expect(rows).to_have_count(2)
    page.get_by_role("button", name="Clear filters").click()
    page.get_by_label("Status").select_option("Pending import")
    expect(rows).to_have_count(2)
    page.get_by_label("Created from").fill("2001-01-01")
    page.get_by_label("to", exact=True).fill("2001-12-31")
    expect(page.get_by_role("heading", name="No key fits the filters")).to_be_visible()
    page.get_by_role("button", name="Clear filters").click()
    page.get_by_role("button", name="Name and ID").click()
    names = given_names(page)
    check("sorted by name", names, sorted(names))
    # What others do comes in by itself.
    key = create("from-elsewhere")
    page.clock.fast_forward(60_000)
    visit.shows("from-elsewhere", "Enabled")
    expect(status.filter(has_text="keys. As of")).to_be_visible()
    api("schedule-key-deletion", {"key_id": key, "pending_days": "7"})
    done("filters, order, and a list that keeps itself up to date")
    visit.leave()


def kinds_of_others(browser):
    """Keys of kinds that only AWS's dialect makes are shown and found."""
    aws = boto3.client("kms")  # what kmsd prints is in the environment
    visit = Visit(browser)
    page = visit.sign_in()
    for kind, usage, words in (
        ("ECC_NIST_P521", "SIGN_VERIFY", "Sign and verify"),
        ("ML_DSA_65", "SIGN_VERIFY", "Sign and verify"),
        ("ML_KEM_768", "ENCAPSULATE_DECAPSULATE", "Encapsulate and decapsulate"),
    ):
        made = aws.create_key(KeySpec=kind, KeyUsage=usage)["KeyMetadata"]["KeyId"]
        spec = api("describe-key", {"key_id": made})["key_info"]["key_spec"]
        page.get_by_role("link", name="Custom keys").click()
        page.get_by_role("button", name="Refresh").click()
        page.get_by_label("Search by name or ID").fill(made)
        row = page.get_by_role("row").filter(has_text=made)
        expect(row).to_contain_text(spec)
        expect(row).to_contain_text(words)
        page.get_by_role("button", name="Clear filters").click()
        page.get_by_label("Algorithm").select_option(spec)
        expect(page.get_by_role("table").get_by_role("row")).to_have_count(2)
        page.get_by_label("Usage").select_option(words)
        expect(page.get_by_role("table").get_by_role("row")).to_have_count(2)
        visit.shot(f"kind-{spec}")
        row.get_by_role("link").click()
        expect(page.get_by_text(f"this one is {spec}")).to_be_visible()
        for tab in page.get_by_role("tab").all():
            tab.click()
            page.locator("#panel").get_by_text("Loading").wait_for(state="detached")
            check(f"the tab {tab.inner_text()} of a key of {spec}", page.get_by_role("alert").count(), 0)
        page.get_by_role("link", name="Custom keys").click()
        page.get_by_role("button", name="Clear filters").click()
        api("schedule-key-deletion", {"key_id": made, "pending_days": "7"})
    visit.leave()


def expiry(browser):
    visit = Visit(browser)
    page = visit.sign_in()
    page.get_by_label("Search by name or ID").fill("alpha")
    requests.delete(f"{BASE}/v3/auth/tokens", timeout=10,
                    headers={"X-Auth-Token": visit.token, "X-Subject-Token": visit.token})
    visit.select("alpha")
    page.get_by_role("button", name="Enable (1)").click()
    page.get_by_role("dialog").get_by_role("button", name="Enable", exact=True).click()
    again = page.get_by_role("dialog", name="Your session has ended")
    again.get_by_label("Password").fill("wrong")
    again.get_by_role("button", name="Sign in and go on").click()
    expect(again.get_by_role("alert")).to_contain_text("401")
    again.get_by_label("Password").fill(setting("IAM_PASSWORD"))
    again.get_by_role("button", name="Sign in and go on").click()
    expect(page.get_by_text("1 of 1 key done.")).to_be_visible()
    page.get_by_role("button", name="Close").click()
    visit.shows("alpha", "Enabled")
    check("the filter is where it was", page.get_by_label("Search by name or ID").input_value(), "alpha")
    visit.leave()


def expiry_in_a_batch(browser):
    """Several calls find at once that the session has ended: one asks, and all go on."""
    names = [f"late-{n}" for n in range(6)]
    keys = [create(name) for name in names]
    visit = Visit(browser)
    page = visit.sign_in()
    visit.select(*names)
    requests.delete(f"{BASE}/v3/auth/tokens", timeout=10,
                    headers={"X-Auth-Token": visit.token, "X-Subject-Token": visit.token})
    page.get_by_role("button", name="Disable (6)").click()
    page.get_by_role("dialog").get_by_role("checkbox").check()
    page.get_by_role("dialog").get_by_role("button", name="Disable", exact=True).click()
    again = page.get_by_role("dialog", name="Your session has ended")
    again.get_by_label("Password").fill(setting("IAM_PASSWORD"))
    expect(again).to_have_count(1)
    again.get_by_role("button", name="Sign in and go on").click()
    expect(page.get_by_text("6 of 6 keys done.")).to_be_visible()
    page.get_by_role("button", name="Close").click()
    check("all of the batch was done", states(*keys), ["3"] * 6)
    visit.leave()


def when_the_server_fails(browser):
    """What could not be read is told where it was asked for, and stays there until it can be."""
    visit = Visit(browser)
    page = visit.page
    broken = '{"error": {"error_code": "KMS.0102", "error_msg": "not right now"}}'

    def refuse(pattern):
        page.route(pattern, lambda route: route.fulfill(status=503, content_type="application/json", body=broken))

    tags, lists = re.compile("/kms/tags$"), re.compile("/kms/list-keys$")
    refuse(tags)
    visit.sign_in()
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("KMS.0102 not right now")
    visit.row("alpha").wait_for()
    page.get_by_label("Search by name or ID").fill("alpha")
    expect(alert).to_contain_text("KMS.0102")
    page.get_by_role("button", name="Clear filters").click()
    page.unroute(tags)
    page.get_by_role("button", name="Clear filters").click()
    expect(alert).to_have_count(0)
    refuse(lists)
    page.get_by_role("button", name="Refresh").click()
    expect(alert).to_contain_text("KMS.0102 not right now")
    check("what was read is still shown", visit.row("alpha").count(), 1)
    page.unroute(lists)
    page.route(lists, lambda route: route.abort())
    page.get_by_role("button", name="Refresh").click()
    expect(alert).to_contain_text("The server does not answer")
    page.unroute(lists)
    page.get_by_role("button", name="Refresh").click()
    expect(alert).to_have_count(0)
    done("faults of the server are told, and forgotten when they are over")
    visit.leave()


def offered(path, method="post"):
    """Whether the server has an operation, as its own description says."""
    paths = requests.get(f"{BASE}/openapi.json", timeout=10).json()["paths"]
    return method in paths.get(f"/v1.0/{{project_id}}/kms/{path}", {})


def open_tab(visit, key, tab, path, method="post"):
    """A key's tab; False, and no such tab on the page, where the server does not offer it."""
    page = visit.page
    page.get_by_role("link", name="Custom keys").click()
    page.get_by_role("link", name=key, exact=True).click()
    page.get_by_role("tab").first.wait_for()
    there = offered(path, method)
    check(f"{tab} is shown if it is offered", page.get_by_role("tab", name=tab).count(), int(there))
    if there:
        page.get_by_role("tab", name=tab).click()
    return there


def granting(browser):
    visit = Visit(browser)
    page = visit.sign_in()
    if open_tab(visit, "orders-db", "Grants", "list-grants"):
        dialog = page.get_by_role("dialog")
        page.get_by_role("button", name="Create grant").click()
        go = dialog.get_by_role("button", name="Create grant")
        dialog.get_by_label("ID of the user or account").fill("5e2c84f0a7b94d1e9036fb7d18c25a90")
        dialog.get_by_label("Create grant", exact=True).check()
        check("to pass on alone is no grant", go.is_enabled(), False)
        dialog.get_by_label("Encrypt data", exact=True).check()
        dialog.get_by_label("Name (optional)").fill("not a name")
        go.click()
        expect(dialog.get_by_role("alert")).to_contain_text("KMS.0308")
        dialog.get_by_label("Name (optional)").fill("billing")
        go.click()
        grants = page.get_by_role("table", name="Grants")
        expect(grants).to_contain_text("billing")
        expect(grants).to_contain_text("Create grant, Encrypt data")
        page.get_by_role("button", name="Revoke: billing").click()
        dialog.get_by_label("Type DELETE to confirm").fill("DELETE")
        dialog.get_by_role("button", name="Revoke").click()
        expect(page.get_by_text("Nobody but the project's own users")).to_be_visible()
        done("a grant is made and revoked")
    visit.leave()


def tagging(browser):
    visit = Visit(browser)
    page = visit.sign_in()
    dialog = page.get_by_role("dialog")
    if open_tab(visit, "orders-db", "Tags", "{key_id}/tags", "get"):
        def put(key, value, button="Add"):
            if button == "Add":
                page.get_by_role("button", name="Add tag").click()
                dialog.get_by_label("Key").fill(key)
            dialog.get_by_label("Value").fill(value)
            dialog.get_by_role("button", name=button).click()

        put("a*b", "x")
        expect(dialog.get_by_role("alert")).to_contain_text("KMS.04")
        page.keyboard.press("Escape")
        put("env", "prod")
        put("a b/c", "x & 'y'")
        tags = page.get_by_role("table", name="Tags")
        expect(tags).to_contain_text("x & 'y'")
        page.get_by_role("button", name="Edit env").click()
        put("env", "test", "Save")
        expect(tags).to_contain_text("test")
        page.get_by_role("button", name="Delete a b/c").click()
        dialog.get_by_role("button", name="Delete").click()
        expect(tags).not_to_contain_text("a b/c")
        page.get_by_role("link", name="Custom keys").click()
        page.get_by_label("Tag", exact=True).select_option("env")
        expect(page.get_by_role("table").get_by_role("row")).to_have_count(2)
        page.get_by_label("Value of the tag").select_option("test")
        visit.shows("orders-db", "Enabled")
        page.get_by_role("button", name="Create key").click()
        dialog.get_by_label("Name").fill("tagged")
        dialog.locator("summary").click()
        dialog.get_by_role("button", name="Add a tag").click()
        dialog.get_by_label("Tag key").fill("team")
        dialog.get_by_label("Tag value").fill("pay")
        dialog.get_by_role("button", name="Create key").click()
        visit.row("tagged").wait_for()
        open_tab(visit, "tagged", "Tags", "{key_id}/tags", "get")
        expect(page.get_by_role("table", name="Tags")).to_contain_text("pay")
        done("tags are put on, changed, taken off and looked for")
    if open_tab(visit, "orders-db", "Aliases", "aliases", "get"):
        page.get_by_role("button", name="Create alias").click()
        dialog.get_by_label("Alias").fill("alias/orders")
        dialog.get_by_role("button", name="Create alias").click()
        expect(page.get_by_role("table", name="Aliases")).to_contain_text("alias/orders")
        page.get_by_role("button", name="Create alias").click()
        dialog.get_by_label("Alias").fill("alias/orders")
        dialog.get_by_role("button", name="Create alias").click()
        expect(dialog.get_by_role("alert")).to_contain_text("KMS.1104")
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Delete alias/orders").click()
        dialog.get_by_label("Type DELETE to confirm").fill("DELETE")
        dialog.get_by_role("button", name="Delete").click()
        expect(page.get_by_text("This key has no aliases.")).to_be_visible()
        done("an alias is made and deleted")
    visit.leave()


def importing(browser):
    """Material of one's own: wrapped with the key that the wizard downloads, imported, deleted."""
    visit = Visit(browser)
    page = visit.sign_in()
    if not offered("import-key-material"):
        check("what cannot be imported is not offered", page.get_by_role("button", name="Import material").count(), 0)
        visit.leave()
        return
    dialog = page.get_by_role("dialog")
    page.get_by_role("button", name="Create key").click()
    dialog.get_by_label("Name").fill("own-material")
    dialog.get_by_label("External: you import it").check()
    go = dialog.get_by_role("button", name="Create key")
    check("who imports says that they know", go.is_enabled(), False)
    dialog.get_by_label("I know that").check()
    go.click()
    page.get_by_role("dialog", name="Import key material: own-material").wait_for()
    with page.expect_download() as saved:
        dialog.get_by_role("button", name="Download wrapping key").click()
    name = saved.value.suggested_filename
    check("the file's name", bool(re.fullmatch("wrappingKey_[0-9a-f-]{36}", name)), True)
    key = serialization.load_der_public_key(pathlib.Path(saved.value.path()).read_bytes())
    oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    wrapped = key.encrypt(os.urandom(32), oaep)
    dialog.get_by_role("button", name="Next").click()
    dialog.get_by_label("Wrapped key material: file").set_input_files(
        {"name": "wrapped.bin", "mimeType": "application/octet-stream", "buffer": wrapped})
    dialog.get_by_role("button", name="Next").click()
    expect(dialog.get_by_label("Import token")).not_to_have_value("")
    dialog.get_by_label("It expires at a time").check()
    dialog.get_by_label("Expires", exact=True).fill("2020-01-01T00:00")
    dialog.get_by_role("button", name="Import").click()
    expect(dialog.get_by_role("alert")).to_contain_text("KMS.2602")
    dialog.get_by_label("The material never expires").check()
    dialog.get_by_role("button", name="Import").click()
    visit.shows("own-material", "Enabled")
    page.get_by_role("button", name="Delete material: own-material").click()
    dialog.get_by_label("Type DELETE to confirm").fill("DELETE")
    dialog.get_by_role("button", name="Delete key material").click()
    visit.shows("own-material", "Pending import")
    done("material is imported in three steps, and deleted")
    visit.leave()


def rotating(browser):
    visit = Visit(browser)
    page = visit.sign_in()
    if open_tab(visit, "orders-db", "Rotation", "get-key-rotation-status"):
        dialog = page.get_by_role("dialog")
        page.get_by_role("button", name="Turn rotation on").click()
        dialog.get_by_label("Days between rotations").fill("90")
        dialog.get_by_role("button", name="Turn rotation on").click()
        expect(page.get_by_text("90 days")).to_be_visible()
        page.get_by_role("button", name="Edit the interval").click()
        dialog.get_by_label("Days between rotations").fill("31")
        dialog.get_by_role("button", name="Save").click()
        expect(page.get_by_text("31 days")).to_be_visible()
        page.get_by_role("button", name="Turn rotation off").click()
        dialog.get_by_role("button", name="Turn rotation off").click()
        expect(page.get_by_role("button", name="Turn rotation on")).to_be_visible()
        done("rotation is turned on, changed and turned off")
    visit.leave()


def by_keyboard(browser):
    """From signing in to a rescued key without a mouse."""
    visit = Visit(browser)
    page = visit.page
    keys = page.keyboard
    page.goto(f"{BASE}/console")
    page.get_by_role("heading", name="Sign in to kmsd").wait_for()
    for text in ("IAM_DOMAIN", "IAM_USER", "IAM_PASSWORD", "IAM_PROJECT"):
        keys.type(setting(text))
        if text != "IAM_PROJECT":
            keys.press("Tab")
    keys.press("Enter")
    page.get_by_role("heading", name="Custom keys").wait_for()

    def focused():
        return page.evaluate("document.activeElement.dataset.focus ?? document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent")

    def tab_to(what):
        for _ in range(120):
            if re.search(what, focused() or ""):
                return
            keys.press("Tab")
        fail(f"no way to {what} by Tab")

    tab_to("^create$")
    keys.press("Enter")
    page.get_by_role("dialog").wait_for()
    keys.type("by-keyboard")
    keys.press("Enter")
    page.get_by_role("dialog").wait_for(state="detached")
    visit.shows("by-keyboard", "Enabled")
    key = re.search("keys/(.*)", visit.row("by-keyboard").get_by_role("link").get_attribute("href"))[1]
    tab_to(f"select:{key}")
    keys.press("Space")
    tab_to_back = f"delete:{key}"
    tab_to(tab_to_back)
    keys.press("Enter")
    page.get_by_role("dialog").wait_for()
    keys.press("Escape")
    page.get_by_role("dialog").wait_for(state="detached")
    check("Escape gives the focus back", focused(), tab_to_back)
    keys.press("Enter")
    page.get_by_label("Type DELETE to confirm").wait_for()
    while not page.evaluate("document.activeElement.matches('input[type=text]')"):
        keys.press("Tab")
    keys.type("DELETE")
    keys.press("Enter")
    page.get_by_text("1 of 1 key done.").wait_for()
    keys.press("Enter")
    page.get_by_role("dialog").wait_for(state="detached")
    visit.shows("by-keyboard", "Pending deletion")
    tab_to(f"cancel:{key}")
    keys.press("Enter")
    page.get_by_role("dialog").wait_for()
    while focused() != "Cancel deletion":
        keys.press("Tab")
    keys.press("Enter")
    page.get_by_text("1 of 1 key done.").wait_for()
    keys.press("Enter")
    visit.shows("by-keyboard", "Disabled")
    tab_to(f"open:{key}")
    keys.press("Enter")
    page.get_by_role("tab", name="Tool").wait_for()
    while not page.evaluate("document.activeElement.matches('[role=tab]')"):
        keys.press("Tab")
    keys.press("End")
    expect(page.get_by_role("tab", name="Audit trail")).to_be_focused()
    expect(page.get_by_role("table", name="Audit records")).to_be_visible()
    done("all of it works by keyboard")
    visit.leave()


def appearance(browser):
    """axe-core has nothing serious to say, in light and dark, and a narrow screen is wide enough."""
    for dark in (False, True):
        visit = Visit(browser, dark=dark)
        page = visit.page
        page.goto(f"{BASE}/console")
        page.get_by_role("heading", name="Sign in to kmsd").wait_for()
        visit.accessible("signing in")
        visit.sign_in()
        visit.row("alpha").wait_for()
        visit.accessible("the list")
        visit.select("alpha", "gamma")
        page.get_by_role("button", name=re.compile("^Delete ")).click()
        visit.accessible("the dialog that deletes")
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Create key").click()
        visit.accessible("the dialog that creates")
        page.keyboard.press("Escape")
        page.get_by_role("link", name="orders-db").click()
        tabs = page.get_by_role("tab")
        tabs.first.wait_for()
        visit.shot("detail")
        for tab in tabs.all():
            tab.click()
            page.locator("#panel").get_by_text("Loading").wait_for(state="detached")
            visit.accessible(f"the tab {tab.inner_text()}")
        visit.leave()
    visit = Visit(browser, width=390, height=844)
    page = visit.sign_in()
    visit.row("alpha").wait_for()
    visit.shot("narrow")
    page.get_by_role("button", name="Name and ID").click()
    names = given_names(page)
    check("a narrow list can be sorted", names, sorted(names))
    page.get_by_label("Select every key on this page").check()
    expect(page.get_by_role("button", name=re.compile("^Disable \\("))).to_be_enabled()
    page.get_by_role("button", name="Clear the selection").click()
    visit.accessible("the list on a narrow screen")
    for place in ("list", "detail"):
        if place == "detail":
            page.get_by_role("link", name="orders-db").click()
            page.get_by_role("tab", name="Tool").wait_for()
        widths = page.evaluate("[document.scrollingElement.scrollWidth, innerWidth]")
        check(f"no sideways scrolling on a narrow screen: {place}", widths[0] <= widths[1], True)
    visit.leave()
    done("axe-core finds nothing serious, in light and dark")


def reference(browser):
    for dark in (False, True):
        visit = Visit(browser, dark=dark)
        page = visit.page
        page.goto(f"{BASE}/docs")
        page.get_by_text("/v1.0/{project_id}/kms/create-key").first.wait_for()
        visit.shot("docs")
        if not dark:
            page.get_by_role("button", name="Authorize").first.click()
            page.locator(".auth-container input").fill(password_token())
            page.locator(".auth-btn-wrapper button.authorize").click()
            page.locator(".auth-btn-wrapper .btn-done").click()
            operation = page.locator(".opblock", has=page.locator("[data-path='/v3/auth/projects']")).first
            operation.locator(".opblock-summary").click()
            operation.get_by_role("button", name="Try it out").click()
            operation.get_by_role("button", name="Execute").click()
            live = operation.locator(".live-responses-table tbody .response-col_status").first
            expect(live).to_contain_text("200")
            done("the reference tries calls out with one's token")
        visit.leave()
    for dark in (False, True):
        visit = Visit(browser, dark=dark)
        page = visit.page
        page.goto(f"{BASE}/docs")
        page.get_by_role("link", name="AWS KMS").click()
        page.get_by_role("heading", name=re.compile("^[0-9]+ operations$")).wait_for()
        page.get_by_label("Search by name, member or error").fill("PendingWindowInDays")
        expect(page.locator("details:visible")).to_have_count(1)
        page.locator("summary").filter(has_text="ScheduleKeyDeletion").click()
        members = page.get_by_role("region", name="Members of a request for ScheduleKeyDeletion")
        expect(members).to_contain_text("KeyId required")
        expect(members).to_contain_text("1 to 2048 characters")
        page.get_by_label("Search by name, member or error").fill("")
        page.goto(f"{BASE}/docs/aws#CancelKeyDeletion")
        states = page.get_by_role("region", name="CancelKeyDeletion by state of the key")
        expect(states.get_by_role("row").filter(has_text="PendingDeletion")).to_contain_text("yes")
        expect(states.get_by_role("row").filter(has_text="Disabled")).to_contain_text("KMSInvalidStateException")
        visit.accessible("the description of AWS's operations")
        visit.shot("docs-aws")
        visit.leave()
    done("AWS's operations are described")
    types = [requests.get(f"{BASE}/openapi.{kind}", timeout=10).headers["Content-Type"] for kind in ("yaml", "json")]
    check("the description is served twice", types, ["application/yaml", "application/json"])


def many_keys(browser):
    """How long a list of 10,000 keys lets one wait; told, not judged."""
    token = password_token(suffix="_2")
    url = f"{BASE}/v1.0/{setting('KMS_PROJECT_ID_2')}/kms/create-key"
    start = time.monotonic()

    def make(numbers):
        with requests.Session() as session:
            for n in numbers:
                answer = session.post(url, json={"key_alias": f"key-{n:05}"}, headers={"X-Auth-Token": token}, timeout=60)
                if answer.status_code != 200:
                    fail(f"create-key: {answer.status_code} {answer.text}")

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(make, [range(n, MANY, 8) for n in range(8)]))
    done(f"made {MANY} keys in {time.monotonic() - start:.1f} s")
    visit = Visit(browser)
    page = visit.page
    page.goto(f"{BASE}/console")
    page.get_by_label("Domain").wait_for()
    start = time.monotonic()
    visit.sign_in(suffix="_2")
    page.locator("tbody tr").first.wait_for()
    first = time.monotonic() - start
    expect(page.get_by_role("status").filter(has_text="10,000 keys. As of")).to_be_visible(timeout=120_000)
    whole = time.monotonic() - start
    took = page.evaluate("""() => {
        const search = document.querySelector('input[type=search]');
        const start = performance.now();
        search.value = 'key-04711';
        search.dispatchEvent(new Event('input'));
        return performance.now() - start;
    }""")
    expect(page.get_by_role("table").get_by_role("row")).to_have_count(2)
    page.get_by_role("button", name="Clear filters").click()
    page.get_by_label("Select every key on this page").check()
    page.get_by_role("button", name="Select all 10,000").click()
    expect(page.get_by_role("button", name="Disable (10,000)")).to_be_enabled()
    page.get_by_role("button", name="Last page").click()
    expect(page.get_by_role("link", name="key-00000")).to_be_visible()
    done(f"{MANY} keys: first rows {first:.2f} s after Sign in, all of them after {whole:.1f} s, a search {took:.0f} ms")
    visit.leave()


def run(*parts):
    """One part after the other, in one browser."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            # That of scripts/test, or of the machine; Playwright's own where there is none.
            executable_path=os.environ.get("KMSD_TEST_BROWSER") or shutil.which("chromium-headless-shell"),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        done(f"browser {browser.version}")
        for part in parts:
            part(browser)
        browser.close()


if __name__ == "__main__":
    run(signing_in, creating, deleting_and_cancelling, failing_and_trying_again, filtering, kinds_of_others,
        expiry, expiry_in_a_batch, when_the_server_fails, granting, tagging, importing, rotating, by_keyboard, appearance, reference, many_keys)

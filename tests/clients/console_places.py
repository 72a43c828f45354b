"""The console where a user has two projects, and a project has a keystore."""

import requests
from playwright.sync_api import expect

from common import check, done, fail, setting
from console import BASE, Visit, run

PROJECT = setting("KMS_PROJECT_ID")


def keystores(path="", method="GET", body=None):
    """A call on keystores beside the browser; a refusal ends the run."""
    answer = requests.request(
        method, f"{BASE}/v1.0/{PROJECT}/keystores{path}", json=body,
        headers={"X-Auth-Token": setting("KMS_TOKEN")}, timeout=30)
    if answer.status_code >= 300:
        fail(f"{method} keystores{path}: {answer.status_code} {answer.text}")
    return answer.json()


def a_key_in_a_keystore(browser):
    made = keystores(method="POST", body={
        "keystore_alias": "hsm-a", "keystore_type": "DHSM", "hsm_cluster_id": setting("KMS_HSM_CLUSTER"),
        "hsm_ca_cert": setting("KMS_HSM_CA")})
    keystore = made["keystore"]["keystore_id"]
    visit = Visit(browser)
    page = visit.sign_in()
    page.get_by_role("button", name="Create key").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("in-hsm")
    dialog.get_by_label("External: you import it").check()
    dialog.get_by_label("Keystore").select_option("hsm-a")
    check("material of one's own is not for a keystore", dialog.get_by_label("External: you import it").is_enabled(), False)
    check("so kmsd makes it", dialog.get_by_label("kmsd makes it").is_checked(), True)
    dialog.get_by_role("button", name="Create key").click()
    expect(dialog.get_by_role("alert")).to_contain_text("KMS.0308")
    done("a keystore that is disabled refuses, and that is shown where it happened")
    keystores(f"/{keystore}/enable", "POST")
    visit.shot("keystore")
    dialog.get_by_role("button", name="Create key").click()
    visit.shows("in-hsm", "Enabled")
    page.get_by_role("button", name="Columns").click()
    page.get_by_label("Keystore").check()
    visit.shows("in-hsm", "hsm-a")
    page.get_by_role("link", name="in-hsm").click()
    expect(page.locator(".facts")).to_contain_text("hsm-a")
    page.get_by_label("Plaintext").fill("card=4111")
    page.get_by_role("button", name="Encrypt", exact=True).click()
    result = page.get_by_label("Encrypt: result")
    expect(result).not_to_have_value("")
    page.get_by_label("Ciphertext", exact=True).fill(result.input_value())
    page.get_by_role("button", name="Decrypt", exact=True).click()
    expect(page.get_by_label("Decrypt: result")).to_have_value("card=4111")
    done("a key is made in a keystore, and used there")
    page.get_by_role("tab", name="Rotation").click()
    page.locator("#panel").get_by_text("Loading").wait_for(state="detached")
    expect(page.locator("#panel")).to_contain_text("and keeps itself, can be rotated")
    visit.leave()


def two_projects(browser):
    first, second = setting("IAM_PROJECT"), setting("IAM_PROJECT_2")
    visit = Visit(browser)
    page = visit.sign_in()
    choose = page.get_by_label("Project", exact=True)
    expect(choose.get_by_role("option")).to_have_count(2)
    visit.select("in-hsm")
    page.get_by_label("Search by name or ID").fill("in")
    before = visit.token
    # The session has ended meanwhile: one signs in, and is where one wanted to be.
    requests.delete(f"{BASE}/v3/auth/tokens", headers={"X-Auth-Token": before, "X-Subject-Token": before}, timeout=10)
    choose.select_option(second)
    again = page.get_by_role("dialog", name="Your session has ended")
    again.get_by_label("Password").fill(setting("IAM_PASSWORD"))
    again.get_by_role("button", name="Sign in and go on").click()
    expect(page.get_by_role("heading", name="No keys yet")).to_be_visible()
    check("nothing of the other project stays", page.get_by_label("Search by name or ID").input_value(), "")
    expect(page.get_by_text("You are now in")).to_contain_text(second)
    if visit.token == before:
        fail("the token is still the other project's")
    page.get_by_role("button", name="Create key").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("in-second")
    check("keystores are the project's own", dialog.get_by_label("Keystore").is_visible(), False)
    dialog.get_by_role("button", name="Create key").click()
    visit.shows("in-second", "Enabled")
    page.get_by_role("link", name="in-second").click()
    page.get_by_role("tab", name="Tool").wait_for()
    visit.shot("second-project")
    # From a key's page too: it is not of the other project, whose list is shown.
    page.get_by_label("Project", exact=True).select_option(first)
    visit.row("in-hsm").wait_for()
    check("and the other way", page.get_by_role("link", name="in-second").count(), 0)
    page.get_by_role("link", name="Default keys").click()
    check("one stays there", page.get_by_label("Project", exact=True).input_value(), PROJECT)
    done("one goes from one project to the other")
    visit.leave()


def a_reader(browser):
    """Who may only read sees everything, and is told of each refusal where it happened."""
    visit = Visit(browser)
    page = visit.sign_in(suffix="_READER")
    visit.row("in-hsm").wait_for()
    page.get_by_role("button", name="Create key").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("not-mine")
    dialog.get_by_role("button", name="Create key").click()
    expect(dialog.get_by_role("alert")).to_contain_text("KMS.0307")
    page.keyboard.press("Escape")
    visit.select("in-hsm")
    page.get_by_role("button", name="Disable (1)").click()
    dialog.get_by_role("checkbox").check()
    dialog.get_by_role("button", name="Disable", exact=True).click()
    expect(dialog.get_by_text("0 of 1 key done, 1 failed.")).to_be_visible()
    expect(dialog.get_by_role("listitem")).to_contain_text("KMS.0307")
    dialog.get_by_role("button", name="Close").click()
    page.get_by_role("link", name="in-hsm").click()
    page.get_by_label("Plaintext").fill("x")
    page.get_by_role("button", name="Encrypt", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("KMS.0307")
    for tab in page.get_by_role("tab").all()[1:]:
        tab.click()
        page.locator("#panel").get_by_text("Loading").wait_for(state="detached")
        check(f"a reader reads {tab.inner_text()}", page.get_by_role("alert").count(), 0)
    visit.leave()


run(a_key_in_a_keystore, two_projects, a_reader)

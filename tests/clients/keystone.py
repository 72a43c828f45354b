"""A kmsd that trusts a real Keystone, seen from the outside.

Wants KMS_ENDPOINT, what keystone_server.py printed, and KEYSTONE_CACHE_SECONDS: for how long that
kmsd believes what Keystone once said of a token. Stops the Keystone in the end, to see what kmsd
answers without it.
"""

import os
import signal
import time

import requests
from keystoneauth1 import adapter, session
from keystoneauth1.identity import v3

from common import check, done, fail, setting

KMS = setting("KMS_ENDPOINT")
KEYSTONE = setting("KEYSTONE_URL")
DOMAIN = setting("KEYSTONE_DOMAIN")
PROJECT = setting("KEYSTONE_PROJECT_ID")
OTHER_PROJECT = setting("KEYSTONE_OTHER_PROJECT_ID")
CACHE_SECONDS = int(setting("KEYSTONE_CACHE_SECONDS"))
# A Keystone that does not answer must not be waited for longer than this.
PATIENCE_SECONDS = 30


def login(user, **scope):
    return v3.Password(KEYSTONE, username=user, user_domain_name=DOMAIN,
                       password=setting("KEYSTONE_PASSWORD"), **scope)


def token_of(user, **scope):
    return session.Session(auth=login(user, **scope)).get_token()


def project_token(user):
    return token_of(user, project_id=PROJECT)


def call(operation, token, body=None, project=PROJECT):
    headers = {"X-Auth-Token": token} if token is not None else {}
    return requests.post(f"{KMS}/v1.0/{project}/kms/{operation}", json=body or {},
                         headers=headers, timeout=PATIENCE_SECONDS)


def verdict(answer):
    """Status and code; every error must have the KMS form, whoever made it."""
    if answer.status_code < 400:
        return answer.status_code, None
    try:
        error = answer.json()["error"]
        if not error["error_msg"] or not answer.headers["X-Request-Id"]:
            fail(f"an error without words or without X-Request-Id: {answer.text}")
        return answer.status_code, error["error_code"]
    except (ValueError, KeyError, TypeError):
        fail(f"not an error of KMS: {answer.status_code} {answer.text!r}")


def refused(what, wanted, operation, token, **more):
    check(what, verdict(call(operation, token, **more)), wanted)


def soon_refused(what, token):
    """At once without a cache; as soon as the cache has forgotten with one."""
    deadline = time.monotonic() + CACHE_SECONDS + 2
    while call("list-keys", token).status_code == 200 and CACHE_SECONDS and time.monotonic() < deadline:
        time.sleep(0.2)
    refused(what, (401, "KMS.0302"), "list-keys", token)


def administrator():
    """Keystone's own administrator, to change users with."""
    return adapter.Adapter(session.Session(auth=v3.Password(
        KEYSTONE, username="admin", user_domain_id="default",
        password=setting("KEYSTONE_ADMIN_PASSWORD"), system_scope="all")),
        endpoint_override=KEYSTONE)


def life_of_a_key():
    kms = adapter.Adapter(session.Session(auth=login("admin", project_id=PROJECT)),
                          endpoint_override=f"{KMS}/v1.0/%(project_id)s/kms")
    made = kms.post("/create-key", json={"key_alias": f"keystone-{time.time_ns()}"}).json()["key_info"]
    key = {"key_id": made["key_id"]}
    found = kms.post("/describe-key", json=key).json()["key_info"]
    check("a new key is enabled", found["key_state"], "2")
    check("its account is Keystone's domain", found["domain_id"], setting("KEYSTONE_DOMAIN_ID"))
    check("disable-key", kms.post("/disable-key", json=key).json()["key_info"]["key_state"], "3")
    check("enable-key", kms.post("/enable-key", json=key).json()["key_info"]["key_state"], "2")
    scheduled = kms.post("/schedule-key-deletion", json=key | {"pending_days": "7"}).json()
    check("schedule-key-deletion", scheduled["key_state"], "4")
    check("cancel-key-deletion", kms.post("/cancel-key-deletion", json=key).json()["key_state"], "3")
    if made["key_id"] not in kms.post("/list-keys", json={}).json()["keys"]:
        fail("list-keys misses the key")
    done("list-keys")
    return key


def scopes_and_roles(key):
    rescoped = session.Session(auth=v3.Token(KEYSTONE, project_token("admin"), project_id=PROJECT))
    check("a rescoped token", verdict(call("describe-key", rescoped.get_token(), key)), (200, None))

    reader = project_token("reader")
    check("a reader may look", verdict(call("describe-key", reader, key)), (200, None))
    refused("a reader may not create", (403, "KMS.0307"), "create-key", reader, body={"key_alias": "no"})
    refused("nor schedule", (403, "KMS.0307"), "schedule-key-deletion", reader,
            body=key | {"pending_days": "7"})

    stranger = token_of("stranger", project_id=OTHER_PROJECT)
    refused("a token for another project", (403, "KMS.0321"), "describe-key", stranger, body=key)
    refused("an own project, another's key", (404, "KMS.0207"), "describe-key", stranger,
            body=key, project=OTHER_PROJECT)
    refused("a token for the domain", (403, "KMS.0305"), "describe-key",
            token_of("admin", domain_name=DOMAIN), body=key)
    unscoped = verdict(call("describe-key", token_of("roleless", unscoped=True), key))
    if unscoped not in ((403, "KMS.0305"), (401, "KMS.0305")):
        fail(f"a token for nothing: {unscoped}")
    done(f"a token for nothing: {unscoped}")


def forgeries():
    refused("no token", (401, "KMS.0301"), "list-keys", None)
    genuine = project_token("admin")
    middle = len(genuine) // 2
    forged = genuine[:middle] + ("A" if genuine[middle] != "A" else "B") + genuine[middle + 1:]
    for what, token in (("rubbish", "rubbish"), ("a changed token", forged),
                        ("half a token", genuine[:middle])):
        refused(what, (401, "KMS.0302"), "list-keys", token)
    if setting("KEYSTONE_TOKENS") == "jws":
        import jwt
        from cryptography.hazmat.primitives.asymmetric import ec

        claims = jwt.decode(genuine, options={"verify_signature": False})
        own_key = ec.generate_private_key(ec.SECP256R1())
        refused("a token signed by someone else", (401, "KMS.0302"), "list-keys",
                jwt.encode(claims, own_key, algorithm="ES256"))
        refused("an unsigned token", (401, "KMS.0302"), "list-keys",
                jwt.encode(claims, None, algorithm="none"))
    check("and the genuine one still works", verdict(call("list-keys", genuine)), (200, None))


def withdrawals():
    revoked = project_token("admin")
    check("a token before its revocation", verdict(call("list-keys", revoked)), (200, None))
    requests.delete(f"{KEYSTONE}/auth/tokens", timeout=10, headers={
        "X-Auth-Token": revoked, "X-Subject-Token": revoked}).raise_for_status()
    soon_refused("and after", revoked)

    keystone = administrator()
    user = f"/users/{setting('KEYSTONE_MEMBER_ID')}"
    member = project_token("member")
    check("a member before being disabled", verdict(call("list-keys", member)), (200, None))
    keystone.patch(user, json={"user": {"enabled": False}})
    soon_refused("and after", member)
    keystone.patch(user, json={"user": {"enabled": True}})


def without_keystone():
    """Never 401, which would send every client to log in again, and never yes."""
    process = int(setting("KEYSTONE_PID"))
    known, unknown = project_token("admin"), project_token("admin")
    check("a token while Keystone is there", verdict(call("list-keys", known)), (200, None))

    os.kill(process, signal.SIGSTOP)
    try:
        start = time.monotonic()
        refused("a Keystone that hangs", (503, "KMS.0104"), "list-keys", unknown)
        done(f"answered after {time.monotonic() - start:.1f} s")
    finally:
        os.kill(process, signal.SIGCONT)
    check("Keystone is back", verdict(call("list-keys", unknown)), (200, None))

    fresh = project_token("admin")
    os.kill(process, signal.SIGTERM)
    while True:
        try:
            requests.get(KEYSTONE, timeout=10)
        except requests.ConnectionError:
            break
        except requests.RequestException:
            pass  # it went in the middle of an answer
        time.sleep(0.1)
    refused("a Keystone that is gone", (503, "KMS.0104"), "list-keys", fresh)
    refused("rubbish, which nobody can judge now", (503, "KMS.0104"), "list-keys", "rubbish")
    if CACHE_SECONDS == 0:
        refused("a token that was good a moment ago", (503, "KMS.0104"), "list-keys", known)


def main():
    key = life_of_a_key()
    scopes_and_roles(key)
    forgeries()
    withdrawals()
    without_keystone()


if __name__ == "__main__":
    main()

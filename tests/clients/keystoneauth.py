"""keystoneauth1, what every OpenStack program logs in with: a password, a rescoped token, and the
login that it repeats by itself when a token stops working."""

import requests
from keystoneauth1 import adapter, exceptions, loading, session
from keystoneauth1.identity import v3

from common import check, done, fail, setting

AUTH_URL = setting("IAM_AUTH_URL")
PROJECT = setting("KMS_PROJECT_ID")


def password_plugin(loader="password", **changed):
    domain = setting("IAM_DOMAIN")
    options = {
        "auth_url": AUTH_URL,
        "username": setting("IAM_USER"),
        "password": setting("IAM_PASSWORD"),
        "user_domain_name": domain,
        "project_name": setting("IAM_PROJECT"),
        "project_domain_name": domain,
    }
    return loading.get_plugin_loader(loader).load_from_options(**options | changed)


def kms_of(login):
    """The KMS as the catalogue of the token has it, its project in the URL."""
    return adapter.Adapter(login, service_type="kms", interface="public",
                           region_name=setting("KMS_REGION"))


def path(kms, call):
    """The catalogue's URL may end in the project's id, or leave it to the client."""
    endpoint = kms.get_endpoint().rstrip("/")
    return f"/kms/{call}" if endpoint.endswith(PROJECT) else f"/{PROJECT}/kms/{call}"


def list_keys(kms):
    return kms.post(path(kms, "list-keys"), json={})


def revoke(token):
    """Behind the back of whoever holds it: a token may revoke itself."""
    answer = requests.delete(f"{AUTH_URL}/auth/tokens", timeout=10,
                             headers={"X-Auth-Token": token, "X-Subject-Token": token})
    check("the token is revoked", answer.status_code, 204)


def main():
    # The generic plugin asks GET /v3 first, the versioned one does not.
    for loader in ("password", "v3password"):
        login = session.Session(auth=password_plugin(loader))
        check(f"{loader}: the project", login.get_project_id(), PROJECT)
        check(f"{loader}: list-keys", list_keys(kms_of(login)).status_code, 200)
    try:
        session.Session(auth=password_plugin(password="wrong")).get_token()
        fail("a wrong password gave a token")
    except exceptions.Unauthorized:
        done("a wrong password is Unauthorized")

    bare = session.Session(auth=password_plugin(auth_url=AUTH_URL.removesuffix("/v3")))
    check("OS_AUTH_URL without /v3", list_keys(kms_of(bare)).status_code, 200)
    explicit = adapter.Adapter(login, endpoint_override=f"{setting('KMS_ENDPOINT')}/v1.0/%(project_id)s")
    check("an endpoint of one's own", explicit.post("/kms/list-keys", json={}).status_code, 200)

    # A token for a token, scoped to the project again.
    token = login.get_token()
    rescoped = session.Session(auth=v3.Token(AUTH_URL, token, project_id=PROJECT))
    check("a rescoped token", list_keys(kms_of(rescoped)).status_code, 200)
    if rescoped.get_token() == token:
        fail("rescoping gave the same token back")

    # The session does not know that its token is gone: 401, one login, one repeat.
    kms = kms_of(login)
    revoke(token)
    answer = list_keys(kms)
    check("list-keys after the revocation", answer.status_code, 200)
    if login.get_token() == token:
        fail("the session still has the revoked token")
    done("with a new token")
    raw = requests.post(f"{kms.get_endpoint().rstrip('/')}{path(kms, 'list-keys')}", json={},
                        headers={"X-Auth-Token": token}, timeout=10)
    check("the revoked token", (raw.status_code, raw.json()["error"]["error_code"]), (401, "KMS.0302"))

    refusals = (
        ("an unknown key", {"key_id": "00000000-0000-0000-0000-000000000000"}, exceptions.NotFound),
        ("a malformed key id", {"key_id": "?"}, exceptions.BadRequest),
    )
    for what, body, error in refusals:
        try:
            kms.post(path(kms, "describe-key"), json=body)
            fail(f"{what} was found")
        except error:
            done(f"{what} is {error.__name__}")


if __name__ == "__main__":
    main()

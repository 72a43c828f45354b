"""A client that a machine made from openapi.yaml, from logging in to a cancelled deletion.

What it proves is that the document is enough: nothing here knows a path, a member or a state that
does not stand in it.
"""

import importlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import uuid

from common import check, done, fail, setting

DOCUMENT = pathlib.Path(__file__).parents[2] / "openapi.yaml"
PROGRAMS = pathlib.Path(sys.executable).parent


def generate(folder):
    """Makes the package `kmsd_client` in the folder. A warning is a failure: what the generator
    cannot express it leaves out."""
    configuration = folder / "generator.json"
    configuration.write_text(json.dumps({
        # It has no word for YAML; the only such answer is this document itself.
        "content_type_overrides": {"application/yaml": "text/plain"},
    }))
    ran = subprocess.run(
        [PROGRAMS / "openapi-python-client", "generate", "--path", DOCUMENT, "--meta", "none",
         "--output-path", folder / "kmsd_client", "--config", configuration, "--fail-on-warning"],
        # It calls ruff, which lives beside it.
        env=os.environ | {"PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}"},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )
    if ran.returncode != 0:
        fail(f"openapi-python-client: exit {ran.returncode}\n{ran.stdout}")
    done(f"a client from {DOCUMENT.name}")


def logged_in(client, models):
    """A client with a token, and the project that the token is for."""
    create_token = importlib.import_module("kmsd_client.api.identity.create_token")
    body = models.CreateTokenRequestBody.from_dict({"auth": {
        "identity": {"methods": ["password"], "password": {"user": {
            "name": setting("IAM_USER"), "password": setting("IAM_PASSWORD"),
            "domain": {"name": setting("IAM_DOMAIN")}}}},
        "scope": {"project": {"name": setting("IAM_PROJECT"),
                              "domain": {"name": setting("IAM_DOMAIN")}}},
    }})
    anonymous = client.Client(base_url=setting("KMS_ENDPOINT"))
    answer = create_token.sync_detailed(client=anonymous, body=body)
    check("logged in", answer.status_code, 201)
    return client.AuthenticatedClient(
        base_url=setting("KMS_ENDPOINT"), token=answer.headers["X-Subject-Token"],
        prefix="", auth_header_name="X-Auth-Token",
    ), answer.parsed.token.project.id


def use(kms, models, project, answered, key):
    """A dozen more of other families: every shape of path, member and answer."""
    enabled = answered("enable_key", models.OperateKeyRequestBody(key_id=key))
    check("enabled", enabled.key_info.key_state, models.KeyState.KEY_STATE_ENABLED)
    sealed = answered("encrypt_data", models.EncryptDataRequestBody(
        key_id=key, plain_text="by a generated client"), "data")
    opened = answered("decrypt_data", models.DecryptDataRequestBody(
        cipher_text=sealed.cipher_text), "data")
    check("decrypted", opened.plain_text, "by a generated client")
    made = answered("create_datakey", models.CreateDatakeyRequestBody(
        key_id=key, datakey_length="512"), "data_keys")
    check("a data key in hexadecimal", len(made.plain_text), 128)
    answered("list_grants", models.ListGrantsRequestBody(key_id=key), "grants")
    status = answered("show_key_rotation_status",
                      models.OperateKeyRequestBody(key_id=key), "rotation")
    check("rotation", status.key_rotation_enabled, False)
    answered("disable_key", models.OperateKeyRequestBody(key_id=key))


def live(kms, models, project):
    def call(operation, body, family="keys"):
        module = importlib.import_module(f"kmsd_client.api.{family}.{operation}")
        answer = module.sync_detailed(project, client=kms, body=body)
        return answer.status_code, answer.parsed

    def answered(operation, body, family="keys"):
        status, parsed = call(operation, body, family)
        if isinstance(parsed, models.Error):
            fail(f"{operation}: {status} {parsed.error.error_code} {parsed.error.error_msg}")
        done(operation)
        return parsed

    name = f"generated-{uuid.uuid4()}"
    made = answered("create_key", models.CreateKeyRequestBody(key_alias=name))
    key = made.key_info.key_id
    named = models.OperateKeyRequestBody(key_id=key)
    state = models.KeyState

    found = answered("describe_key", models.DescribeKeyRequestBody(key_id=key)).key_info
    check("the new key", (found.key_alias, found.key_state), (name, state.KEY_STATE_ENABLED))
    scheduled = answered("schedule_key_deletion",
                         models.ScheduleKeyDeletionRequestBody(key_id=key, pending_days="7"))
    check("scheduled", scheduled.key_state, state.KEY_STATE_PENDING_DELETION)
    cancelled = answered("cancel_key_deletion", named)
    check("cancelled", cancelled.key_state, state.KEY_STATE_DISABLED)
    listed = answered("list_keys", models.ListKeysRequestBody())
    if key not in listed.keys:
        fail("list_keys misses the key")

    use(kms, models, project, answered, key)

    status, refusal = call("cancel_key_deletion", named)
    if not isinstance(refusal, models.Error):
        fail(f"a refusal was not read as an Error: {status} {refusal!r}")
    check("a refusal, as the document's Error", (status, refusal.error.error_code),
          (400, "KMS.1501"))


def main():
    with tempfile.TemporaryDirectory(prefix="kmsd-client.") as name:
        generate(pathlib.Path(name))
        sys.path.insert(0, name)
        client = importlib.import_module("kmsd_client")
        models = importlib.import_module("kmsd_client.models")
        kms, project = logged_in(client, models)
        check("the token's project", project, setting("KMS_PROJECT_ID"))
        live(kms, models, project)


if __name__ == "__main__":
    main()

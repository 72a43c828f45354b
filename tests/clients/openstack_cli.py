"""The OpenStack command line with the Open Telekom Cloud extensions, as a person would use it:
from a password to a cancelled deletion, and out again."""

import json
import os
import pathlib
import subprocess
import sys
import uuid

import requests

from common import check, done, fail, setting

OPENSTACK = pathlib.Path(sys.executable).with_name("openstack")

# Nothing of the caller's own cloud settings: only what is named here.
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("OS_")} | {
    "OS_AUTH_URL": setting("IAM_AUTH_URL"),
    "OS_USERNAME": setting("IAM_USER"),
    "OS_PASSWORD": setting("IAM_PASSWORD"),
    "OS_USER_DOMAIN_NAME": setting("IAM_DOMAIN"),
    "OS_PROJECT_NAME": setting("IAM_PROJECT"),
    "OS_PROJECT_DOMAIN_NAME": setting("IAM_DOMAIN"),
    "OS_IDENTITY_API_VERSION": "3",
    "OS_REGION_NAME": setting("KMS_REGION"),
    "OS_INTERFACE": "public",
    "OS_CLIENT_CONFIG_FILE": "/nonexistent",
    "PYTHONWARNINGS": "ignore",
}


def run(command, **more):
    return subprocess.run([OPENSTACK, *command.split()], env=ENVIRONMENT | more, text=True,
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=120)


def openstack(command, secret="\0"):
    """What the command prints. The secret among its arguments is not told to anybody."""
    ran = run(command)
    told = f"openstack {command.replace(secret, '…')}"
    if ran.returncode != 0:
        fail(f"{told}: exit {ran.returncode}\n{ran.stdout}{ran.stderr}")
    if ran.stderr:
        # A fault of discovery shows as a warning on every call, and as nothing else.
        fail(f"{told} warns:\n{ran.stderr}")
    done(told)
    return ran.stdout


def shown(command):
    return json.loads(openstack(f"{command} -f json"))


def refused(command, wanted, **more):
    ran = run(command, **more)
    if ran.returncode == 0 or wanted not in ran.stderr:
        fail(f"openstack {command}: exit {ran.returncode}, without {wanted!r}\n{ran.stderr}")
    done(f"openstack {command} says: {ran.stderr.strip().splitlines()[-1]}")


def state(key):
    return shown(f"kms cmk show {key}")["key_state"]


def main():
    token = shown("token issue")
    check("the token is for the project", token["project_id"], setting("KMS_PROJECT_ID"))
    services = {service["Type"]: service for service in shown("catalog list")}
    for service in ("kms", "identity"):
        if service not in services:
            fail(f"the catalogue has no {service}: {services}")

    name = f"cli-{uuid.uuid4()}"
    key = shown(f"kms cmk create {name} --description hi")["ID"]
    by_name = shown(f"kms cmk show {name}")
    check("the key by its name", [by_name[column] for column in (
        "ID", "key_alias", "key_description", "key_state", "realm")],
        [key, name, "hi", "2", setting("KMS_REGION")])
    check("and by its id", shown(f"kms cmk show {key}"), by_name)
    row = {"ID": key, "key_alias": name, "key_state": "2"}
    # With --limit 1 it asks for one page after another, until there is no next_marker.
    for command in ("kms cmk list", "kms cmk list --limit 1 --state 2"):
        if row not in shown(command):
            fail(f"openstack {command} does not show {row}")

    openstack(f"kms cmk disable {name}")
    check("disabled", state(name), "3")
    openstack(f"kms cmk enable {name}")
    check("enabled", state(name), "2")
    openstack(f"kms cmk delete {name} 7")
    check("scheduled for deletion", state(name), "4")
    openstack(f"kms cmk cancel delete {name}")
    check("rescued, and disabled", state(name), "3")
    refused(f"kms cmk cancel delete {name}", "KMS.1501")
    refused("kms cmk show no-such-key", "no-such-key")
    if "CMK" not in [quota["type"] for quota in shown("kms quota list")]:
        fail("kms quota list does not show CMK")

    openstack(f"token revoke {token['id']}", secret=token["id"])
    again = requests.get(f"{setting('IAM_AUTH_URL')}/auth/projects", timeout=10,
                         headers={"X-Auth-Token": token["id"]})
    check("the revoked token is refused", again.status_code, 401)
    refused("token issue", "401", OS_PASSWORD="wrong")


if __name__ == "__main__":
    main()

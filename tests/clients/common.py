"""What the client suites share: the server under test, and an account that a person can read."""

import os
import sys

import requests


def setting(name):
    """A variable printed by `kmsd dev` (or by the test that runs the suite)."""
    try:
        return os.environ[name]
    except KeyError:
        sys.exit(f"{name} is not set: start `kmsd dev` and eval what it prints")


def done(what):
    """Tells what was done; the last line of a failed run is then the last thing that worked."""
    print(f"ok    {what}", flush=True)


def fail(what):
    sys.exit(f"WRONG {what}")


def check(what, got, wanted):
    """Ends the run, saying what differed, unless both are equal."""
    if got != wanted:
        fail(f"{what}\n      got    {got!r}\n      wanted {wanted!r}")
    done(what)


def password_token(project=None, suffix=""):
    """A project token of the built-in users, the way any HTTP client would fetch one."""
    return log_in(project, suffix).headers["X-Subject-Token"]


def user_of(suffix=""):
    """The built-in user as a token tells of them: id, name and domain."""
    return log_in(None, suffix).json()["token"]["user"]


def log_in(project, suffix):
    domain = {"name": setting(f"IAM_DOMAIN{suffix}")}
    user = {
        "name": setting(f"IAM_USER{suffix}"),
        "password": setting(f"IAM_PASSWORD{suffix}"),
        "domain": domain,
    }
    scope = {"project": {"name": project or setting(f"IAM_PROJECT{suffix}"), "domain": domain}}
    answer = requests.post(
        f"{setting('IAM_AUTH_URL')}/auth/tokens",
        json={"auth": {
            "identity": {"methods": ["password"], "password": {"user": user}},
            "scope": scope,
        }},
        timeout=10,
    )
    if answer.status_code != 201:
        fail(f"token of {user['name']}: {answer.status_code} {answer.text}")
    return answer

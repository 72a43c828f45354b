"""Runs a real Keystone for as long as whoever started it wants one.

    keystone_server.py [--tokens fernet|jws]

Makes a database, keys, a domain, two projects and users in a temporary folder; prints
`export NAME='value'` lines once it answers; ends, and removes the folder, on SIGTERM, on SIGINT or
when the process that started it is gone. One process, so that stopping it (SIGSTOP) is a Keystone
that hangs.
"""

import argparse
import base64
import multiprocessing
import os
import pathlib
import secrets
import signal
import socket
import sys
import tempfile
import threading
import time

# The folder of this script is on the path first, and keystone.py there is not Keystone.
sys.path.pop(0)

import keystone.cmd.manage
import keystone.server.wsgi
import requests
import waitress
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

REGION = "RegionOne"
DOMAIN = "acme"
# The first project has users in every role; the second is somebody else's.
PROJECTS = ("orders", "invoices")
# Each user, and the role they have in the first project.
USERS = {"admin": "admin", "member": "member", "reader": "reader", "roleless": None}


def write_private(path, text):
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.write_bytes(text)
    path.chmod(0o600)


def write_configuration(folder, tokens):
    """What `fernet_setup`, `credential_setup` and `create_jws_keypair` would leave, without the
    two seconds that each of them takes to start."""
    for repository in ("fernet", "receipts", "credentials"):
        for index in ("0", "1"):  # the next key and the current one
            key = base64.urlsafe_b64encode(secrets.token_bytes(32))
            write_private(folder / repository / index, key)
    signing_key = ec.generate_private_key(ec.SECP256R1())
    write_private(
        folder / "jws-private" / "private.pem",
        signing_key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )
    write_private(
        folder / "jws-public" / "public.pem",
        signing_key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        ),
    )
    configuration = folder / "keystone.conf"
    configuration.write_text(f"""
[DEFAULT]
log_file = {folder}/keystone.log
[database]
connection = sqlite:///{folder}/keystone.db
[token]
provider = {tokens}
[fernet_tokens]
key_repository = {folder}/fernet
[fernet_receipts]
key_repository = {folder}/receipts
[credential]
key_repository = {folder}/credentials
[jwt_tokens]
jws_private_key_repository = {folder}/jws-private
jws_public_key_repository = {folder}/jws-public
[identity]
# The least that bcrypt takes: these passwords live for a minute.
password_hash_rounds = 4
""")
    return configuration


def manage(configuration, *arguments):
    """Runs keystone-manage, showing what it says only if it fails. In a fork of this process, which
    has imported Keystone already: of the command's four seconds, two are that import."""

    def in_the_fork():
        with open(output, "w") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        sys.argv = ["keystone-manage", "--config-file", str(configuration), *arguments]
        keystone.cmd.manage.main()

    output = configuration.with_name("manage.out")
    fork = multiprocessing.get_context("fork").Process(target=in_the_fork, daemon=True)
    fork.start()
    fork.join()
    if fork.exitcode != 0:
        sys.exit(f"keystone-manage {arguments[0]} failed:\n{output.read_text()}")


def serve(configuration, listener):
    """Keystone itself, in threads of this process."""
    os.environ["OS_KEYSTONE_CONFIG_FILES"] = str(configuration)
    sys.argv = ["keystone"]  # oslo.config reads the arguments of whatever process it is in
    application = keystone.server.wsgi.initialize_public_application()
    server = waitress.create_server(application, sockets=[listener], threads=4)
    threading.Thread(target=server.run, daemon=True).start()


class Administrator:
    """The bootstrapped administrator, over Keystone's own API."""

    def __init__(self, url, password):
        self.url = url
        self.http = requests.Session()
        issued = self.call("POST", "auth/tokens", {"auth": {
            "identity": {"methods": ["password"], "password": {"user": {
                "name": "admin", "domain": {"id": "default"}, "password": password}}},
            "scope": {"system": {"all": True}},
        }})
        self.http.headers["X-Auth-Token"] = issued.headers["X-Subject-Token"]
        roles = self.call("GET", "roles").json()["roles"]
        self.roles = {role["name"]: role["id"] for role in roles}

    def call(self, verb, path, body=None):
        answer = self.http.request(verb, f"{self.url}/{path}", json=body, timeout=30)
        answer.raise_for_status()
        return answer

    def make(self, kind, **members):
        return self.call("POST", f"{kind}s", {kind: members}).json()[kind]["id"]

    def grant(self, project, user, role):
        self.call("PUT", f"projects/{project}/users/{user}/roles/{self.roles[role]}")


def furnish(url, admin_password, password):
    """Domain, projects and users; gives what the suites need to know about them."""
    admin = Administrator(url, admin_password)
    domain = admin.make("domain", name=DOMAIN)
    projects = [admin.make("project", name=name, domain_id=domain) for name in PROJECTS]
    facts = {
        "KEYSTONE_DOMAIN": DOMAIN,
        "KEYSTONE_DOMAIN_ID": domain,
        "KEYSTONE_PROJECT": PROJECTS[0],
        "KEYSTONE_PROJECT_ID": projects[0],
        "KEYSTONE_OTHER_PROJECT": PROJECTS[1],
        "KEYSTONE_OTHER_PROJECT_ID": projects[1],
        "KEYSTONE_PASSWORD": password,
    }
    for name, role in USERS.items():
        user = admin.make("user", name=name, password=password, domain_id=domain)
        facts[f"KEYSTONE_{name.upper()}_ID"] = user
        if role:
            admin.grant(projects[0], user, role)
    # A domain-scoped token is a token, but not one for a project.
    admin.call("PUT", f"domains/{domain}/users/{facts['KEYSTONE_ADMIN_ID']}/roles/{admin.roles['admin']}")
    # Administrator of the other project only: whatever they may do there, nothing here.
    stranger = admin.make("user", name="stranger", password=password, domain_id=domain)
    admin.grant(projects[1], stranger, "admin")
    # The account that a service validates tokens with; `service` is all it needs.
    home = admin.make("project", name="service", domain_id="default")
    service = admin.make("user", name="kmsd", password=password, domain_id="default")
    admin.grant(home, service, "service")
    return facts | {
        "KEYSTONE_SERVICE_USER": "kmsd",
        "KEYSTONE_SERVICE_PASSWORD": password,
        "KEYSTONE_SERVICE_DOMAIN": "Default",
        "KEYSTONE_SERVICE_PROJECT": "service",
    }


def run(tokens, starter):
    with tempfile.TemporaryDirectory(prefix="keystone.") as name:
        folder = pathlib.Path(name)
        listener = socket.create_server(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v3"
        admin_password, password = secrets.token_hex(16), secrets.token_hex(16)
        configuration = write_configuration(folder, tokens)
        manage(configuration, "db_sync")
        manage(configuration, "bootstrap", "--bootstrap-password", admin_password,
               "--bootstrap-public-url", url, "--bootstrap-internal-url", url,
               "--bootstrap-region-id", REGION)
        serve(configuration, listener)
        facts = {
            "KEYSTONE_URL": url,
            "KEYSTONE_PID": os.getpid(),
            "KEYSTONE_TOKENS": tokens,
            "KEYSTONE_REGION": REGION,
            "KEYSTONE_ADMIN_PASSWORD": admin_password,
            "KEYSTONE_JWS_PUBLIC_KEY": folder / "jws-public" / "public.pem",
        } | furnish(url, admin_password, password)
        for name, value in facts.items():
            print(f"export {name}='{value}'")
        sys.stdout.flush()
        sys.stdout.close()
        while os.getppid() == starter:
            time.sleep(0.5)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A real Keystone, for a while.")
    parser.add_argument("--tokens", choices=("fernet", "jws"), default="fernet")
    starter = os.getppid()
    # As an exception, so that the folder is removed on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.signal(signal.SIGINT, lambda *_: sys.exit(0))
    run(parser.parse_args().tokens, starter)

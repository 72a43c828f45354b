"""Holds every operation of openapi.yaml against a running kmsd: generated requests, right and
wrong, each of which must be answered as the document says. What is checked and how much stands in
schemathesis.toml."""

import os
import pathlib
import subprocess
import sys
import tempfile

from common import done, fail, password_token, setting

HERE = pathlib.Path(__file__).parent
DOCUMENT = HERE.parents[1] / "openapi.yaml"
TIME_LIMIT_SECONDS = 120


def main():
    environment = os.environ | {
        "KMS_ENDPOINT": setting("KMS_ENDPOINT"),
        "KMS_PROJECT_ID": setting("KMS_PROJECT_ID"),
        "KMS_TOKEN": password_token(),
    }
    # Elsewhere, for it leaves notes in the folder that it runs in.
    with tempfile.TemporaryDirectory(prefix="schemathesis.") as folder:
        try:
            ran = subprocess.run(
                [pathlib.Path(sys.executable).with_name("schemathesis"),
                 "--config-file", HERE / "schemathesis.toml", "run", DOCUMENT],
                env=environment, cwd=folder, timeout=TIME_LIMIT_SECONDS,
            )
        except subprocess.TimeoutExpired:
            fail(f"schemathesis took more than {TIME_LIMIT_SECONDS} s")
    if ran.returncode != 0:
        fail(f"schemathesis: exit {ran.returncode}")
    done("kmsd answers as openapi.yaml says")


if __name__ == "__main__":
    main()

"""Which of the vendor's SDK's operations a suite calls: none of its part may be left out."""

import json
import pathlib

from huaweicloudsdkkms.v2 import KmsClient

from common import done, fail

# Every operation that the SDK has.
OPERATIONS = pathlib.Path(__file__).parent.parent / "contract" / "operations.json"


def is_about_keystores(operation):
    """Those need a token to be tried with, and have a suite of their own."""
    return "/keystores" in operation["path"] or operation["path"].endswith("/create-pin")


class Calls:
    """Notes each operation of a part that is called and answered."""

    def __init__(self, is_of_the_part):
        listed = json.loads(OPERATIONS.read_text())
        self.part = {one["sdk"] for one in listed if is_of_the_part(one)}
        self.called = set()
        for name in self.part:
            setattr(KmsClient, name, self.noted(name, getattr(KmsClient, name)))

    def noted(self, name, method):
        def call(*arguments, **members):
            answer = method(*arguments, **members)
            self.called.add(name)
            return answer
        return call

    def check_complete(self):
        missing = sorted(self.part - self.called)
        if missing:
            fail(f"never called, or never answered: {', '.join(missing)}")
        done(f"all {len(self.called)} operations of this part of the SDK")

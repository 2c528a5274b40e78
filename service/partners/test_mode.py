"""Test mode: which requests are for the sandbox, the same program over another schema.

Which of the two environments a request belongs to is said here and nowhere else; no query has to
remember it, since a connection of one environment does not see the other's tables.
"""

from collections.abc import MutableMapping
from typing import Any

from service.partners.keys import TEST_START

TEST_CONNECTOR = "con_test_"
_TEST_HOOK = f"/v1/hooks/{TEST_CONNECTOR}"
_API = "/v1/"
_TEST_KEY = TEST_START.encode()


def is_for_sandbox(scope: MutableMapping[str, Any]) -> bool:
    """Return whether a request speaks with a test key, or to a connector of one.

    Pages are for all.
    """
    if not scope["path"].startswith(_API):
        return False
    if scope["path"].startswith(_TEST_HOOK):
        return True
    for name, value in scope["headers"]:
        if name == b"authorization":
            credential: bytes = value.partition(b" ")[2]
            return credential.lstrip().startswith(_TEST_KEY)
    return False

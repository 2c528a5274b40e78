"""Migrations are one line, and their files stand in its order."""

import re
from pathlib import Path

VERSIONS = Path(__file__).parents[2] / "service" / "migrations" / "versions"
REVISION = re.compile(r'^revision = "(\d+)"$', re.MULTILINE)
BEFORE = re.compile(r'^down_revision = (?:"(\d+)"|None)$', re.MULTILINE)


def test_each_migration_follows_the_one_before() -> None:
    chain = []
    for file in sorted(VERSIONS.glob("[0-9]*.py")):
        revision, before = (found.search(file.read_text()) for found in (REVISION, BEFORE))
        assert revision is not None, file.name
        assert before is not None, file.name
        assert file.name.startswith(f"{revision.group(1)}_")
        chain.append((before.group(1), revision.group(1)))

    assert chain[0][0] is None
    assert [before for before, _ in chain[1:]] == [revision for _, revision in chain[:-1]]

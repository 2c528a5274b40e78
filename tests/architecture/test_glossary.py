"""Classes of the domain are named by no word that stands under `not` in `docs/glossary.md`."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GLOSSARY = ROOT / "docs" / "glossary.md"
PACKAGES = ("service", "workers", "methodologies", "loadtest")
MODULES = sorted(
    path.relative_to(ROOT) for tree in PACKAGES for path in (ROOT / tree).rglob("*.py")
)
COLUMNS = ["word", "meaning", "source", "not"]
WORDS_MIN = 70  # fewer rows would mean that the table was not read
# A run of capitals, a capitalised word, a word in small letters, or digits.
PART = re.compile(r"[A-Z]+(?=[A-Z][a-z]|$)|[A-Z]?[a-z]+|[A-Z]+|\d+")


def rows_of(text: str) -> list[list[str]]:
    """The cells of every row of the page's tables, without the rows of titles and dashes."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in rows if row != COLUMNS and set("".join(row)) != {"-"}]


def words_in(cell: str) -> list[str]:
    """The comma-separated words of a cell, in small letters."""
    return [word.strip().lower() for word in cell.split(",") if word.strip()]


def ruled_out(text: str) -> dict[str, str]:
    """Words that stand under `not`, each with the word that is used instead."""
    return {word: row[0] for row in rows_of(text) for word in words_in(row[3])}


def parts_of(name: str) -> list[str]:
    """The words of a CamelCase name, in small letters: ["stored", "answer"] of StoredAnswer."""
    return [part.lower() for part in PART.findall(name)]


def defined(text: str) -> set[str]:
    """All words of the page, in small letters."""
    return {word for row in rows_of(text) for word in words_in(row[0])}


def misnamed(source: str, page: str) -> Iterator[str]:
    """Sentences about classes, also inner ones, that are named by a word that is ruled out.

    A class whose whole name is a word of the page may hold one: Locust's users are users.
    """
    instead, words = ruled_out(page), defined(page)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ClassDef):
            parts = parts_of(node.name)
            for part in parts:
                if part in instead and " ".join(parts) not in words:
                    yield f"{node.lineno}: {node.name}: say {instead[part]!r}, not {part!r}"


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_classes_are_named_by_words_of_the_glossary(path: Path) -> None:
    found = list(misnamed((ROOT / path).read_text(), GLOSSARY.read_text()))

    assert not found, f"{path}: {found}"


def test_the_glossary_is_whole() -> None:
    """Each word has a meaning and a source, stands once, and is not ruled out elsewhere."""
    rows = rows_of(GLOSSARY.read_text())
    words = [word for row in rows for word in words_in(row[0])]

    assert [row for row in rows if len(row) != len(COLUMNS)] == []
    assert [row[0] for row in rows if not (row[0] and row[1] and row[2])] == []
    assert len(rows) >= WORDS_MIN
    assert len(words) == len(set(words))
    assert set(words) & set(ruled_out(GLOSSARY.read_text())) == set()


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("WebhookEndpoint", ["webhook", "endpoint"]),
        ("_Once", ["once"]),
        ("HTTPDoor", ["http", "door"]),
        ("PersonID", ["person", "id"]),
        ("Sha256Leaf", ["sha", "256", "leaf"]),
    ],
)
def test_a_name_is_split_into_words(name: str, parts: list[str]) -> None:
    assert parts_of(name) == parts


@pytest.mark.parametrize(
    ("source", "is_refused"),
    [
        ("class RegionPlace: pass", True),
        ("class Outer:\n    class _Once: pass", True),
        ("class Wallets: pass", False),  # only a whole word counts
        ("class RegionRank: pass\nplace = 1", False),
        ("class PartnerUser: pass", False),  # the whole name is a word of the page
        ("class PartnerUsers: pass\nclass AppUser: pass", True),
    ],
)
def test_a_word_that_is_ruled_out_is_refused(source: str, is_refused: bool) -> None:
    assert bool(list(misnamed(source, GLOSSARY.read_text()))) is is_refused

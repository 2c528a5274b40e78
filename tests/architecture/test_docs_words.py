"""Public texts say *estimated avoided emissions*; they promise nothing that is not measured."""

import re
from pathlib import Path

import orjson
import pytest

from service.app import create_app
from service.settings import Settings

ROOT = Path(__file__).parents[2]
# As claims about carbon. `utc_offset` and the like are no claims; a text may say what is never said
# when it stands in italics or quotes.
CLAIMS = re.compile(
    r"\b(carbon[- ]?(neutral\w*|offset\w*|sav\w+|free|negative)|climate[- ]neutral\w*|"
    r"offset(s|ting)? (your|their|carbon|emissions)|(emissions?|co2e?|carbon)[- ](saved|savings?)|"
    r"net[- ]zero|sav(e|es|ed|ing) (carbon|co2e?|emissions))\b",
    re.IGNORECASE,
)
TEXTS = sorted(
    path.relative_to(ROOT)
    for pattern in (
        "README.md",
        "docs/**/*.md",
        "service/web/**/*",
        "service/**/*.py",
        "methodologies/**/*",
    )
    for path in ROOT.glob(pattern)
    if path.suffix in (".md", ".py", ".html", ".js", ".css", ".txt")
)


@pytest.mark.parametrize("path", TEXTS, ids=str)
def test_a_text_claims_nothing_more(path: Path) -> None:
    found = [match.group() for match in CLAIMS.finditer((ROOT / path).read_text())]

    assert not found, f"{path}: say `estimated avoided emissions` instead of {found}"


def test_the_api_claims_nothing_more() -> None:
    document = orjson.dumps(create_app(Settings()).openapi()).decode()

    assert not CLAIMS.findall(document)
    assert not re.findall(r"\b(?:neutral|saved|(?<!an )offsets?)\b", document)


@pytest.mark.parametrize(
    "claim", ["carbon neutral", "CO2 saved", "offset your emissions", "carbon offsets", "net-zero"]
)
def test_a_claim_is_noticed(claim: str) -> None:
    assert CLAIMS.search(f"Now {claim}!")

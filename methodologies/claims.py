"""Among whom the number behind a claim is one and the same: read from CLAIMS.yaml. Pure."""

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from methodologies.contract import CatalogueBroken, ClaimKind
from methodologies.document import Cursor, read_document
from methodologies.values import Input

FILE = Path(__file__).parent / "CLAIMS.yaml"
AMONG = ("world", "reporter")


@cache
def declared_kinds(file: Path = FILE) -> Mapping[str, ClaimKind]:
    """Read CLAIMS.yaml. CatalogueBroken: it is not fit for use, with file, line and reason."""
    root = read_document(file, shown_as=file.name).table(needs=["as_of", "kinds"])
    root["as_of"].day()
    return {name.text(): _kind(entry) for name, entry in root["kinds"].entries()}


def _kind(entry: Cursor) -> ClaimKind:
    given = entry.table(needs=["claim_of"], may=["carries", "issuer", "why"])
    is_world = given["claim_of"].one_of(AMONG) == "world"
    needed = "carries" if is_world else "why"
    if needed not in given:
        raise entry.broken(f"a {given['claim_of'].text()} claim says {needed!r}")
    if "issuer" in given and not is_world:
        raise given["issuer"].broken("only the number of a world claim has an issuer")
    given[needed].text()
    return ClaimKind(is_world, given["issuer"].text() if "issuer" in given else None)


def kind_of(given: Mapping[str, Cursor]) -> ClaimKind | None:
    """Return what the claim of a sheet's input is, by CLAIMS.yaml or by the sheet itself, if any.

    CatalogueBroken: neither says it, or the two say different things.
    """
    claim, claim_of = given.get("claim"), given.get("claim_of")
    if claim is None:
        if claim_of is not None:
            raise claim_of.broken("without a claim there is nothing to say of its number")
        return None
    said = None if claim_of is None else ClaimKind(claim_of.one_of(AMONG) == "world")
    declared = declared_kinds().get(claim.text())
    if declared is None and said is None:
        raise claim.broken(
            f"the claim {claim.text()!r} is not declared: say claim_of: world if the number is the "
            "same whoever reports it, or claim_of: reporter if only its reporter knows it"
        )
    if declared is not None and said is not None and said.is_world != declared.is_world:
        raise claim.broken(f"CLAIMS.yaml declares {claim.text()!r} otherwise")
    kind = declared or said
    assert kind is not None
    return kind


def kinds_in(inputs: Iterable[Input]) -> dict[str, ClaimKind]:
    """Return the kinds of all claims of some versions' inputs.

    CatalogueBroken: two sheets say different things of one kind.
    """
    found: dict[str, ClaimKind] = {}
    for one in inputs:
        if one.claim is None or one.claim_kind is None:
            continue
        if found.setdefault(one.claim, one.claim_kind) != one.claim_kind:
            reason = f"two sheets say different things of the claim {one.claim!r}"
            raise CatalogueBroken(FILE.name, 1, reason)
    return found

"""Does a receipt hold? Everything in it is made again from the published folder, and compared.

Pure: no files, no settings, no clock. `saxaul-methodologies verify` shows the answer.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from typing import Any
from uuid import UUID

import orjson

from methodologies.catalogue import Catalogue
from methodologies.content import canonical_data, content_digest, implied_overlap
from methodologies.contract import DataInvalid, UnknownActivity, UnknownEdition
from methodologies.leaf import SALT_BYTES, leaf_of_action

FORMAT = "saxaul-receipt-3"
# Issued before there were salts: its leaf is of the first form.
FORMAT_2 = "saxaul-receipt-2"
# Issued before that: `inventory_overlap` is the one that was recorded, stated or implied, and the
# oldest have none; `status` is called `standing`. Only the event's digest tells what was stated.
FORMAT_1 = "saxaul-receipt-1"
_ABSENT = object()
_PARTS: Mapping[str, type] = {
    "format": str,
    "action_id": str,
    "text": str,
    "recorded": dict,
    "event": dict,
    "digests": dict,
}
_EVENT: Mapping[str, tuple[type, ...]] = {
    "type": (str,),
    "time": (str,),
    "local_day": (str,),
    "region": (str, type(None)),
    "evidence_level": (str,),
    "scope": (str,),
    "data": (dict,),
}
_OVERLAP: Mapping[str, tuple[type, ...]] = {
    FORMAT: (str, type(None)),
    FORMAT_2: (str, type(None)),
    FORMAT_1: (str, type(_ABSENT)),
}
_SALT = re.compile(rf"[0-9a-f]{{{2 * SALT_BYTES}}}")
# A status may change after a receipt is written; it is told apart, and is no part of the sum.
_STATUS = "/assessment/methodology/status"


class ReceiptUnreadable(ValueError):
    """The file is no receipt, or of a version that is not here. The text says what to do."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A value of a receipt, by its JSON pointer, that is not what the sum gives when done again."""

    pointer: str
    written: object
    found: object

    def __str__(self) -> str:
        return (
            f"{self.pointer}: the receipt says {_shown(self.written)}, it is {_shown(self.found)}"
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """Equal when there is no difference. `notes` are for the reader and change nothing."""

    methodology: str | None
    differences: tuple[Difference, ...]
    notes: tuple[str, ...]


def read_receipt(content: bytes) -> dict[str, Any]:
    """Read a receipt from its JSON. ReceiptUnreadable: it is none, or of an unknown format."""
    try:
        receipt = orjson.loads(content)
    except orjson.JSONDecodeError as wrong:
        raise ReceiptUnreadable(f"it is not JSON: {wrong}") from wrong
    if not isinstance(receipt, dict):
        raise ReceiptUnreadable("it is not a receipt: a JSON object is expected")
    for name, kind in _PARTS.items():
        if not isinstance(receipt.get(name), kind):
            raise ReceiptUnreadable(
                f"it is not a receipt: {name!r} is missing or of another kind; save the answer of "
                "GET /v1/actions/{id}/receipt as it came"
            )
    kinds_of_overlap = _OVERLAP.get(receipt["format"])
    if kinds_of_overlap is None:
        raise ReceiptUnreadable(
            f"its format is {receipt['format']!r}; this program reads {', '.join(_OVERLAP)}"
        )
    for name, kinds in {**_EVENT, "inventory_overlap": kinds_of_overlap}.items():
        if not isinstance(receipt["event"].get(name, _ABSENT), kinds):
            raise ReceiptUnreadable(f"/event/{name} is missing or of another kind")
    _recorded(receipt)
    if not isinstance(receipt.get("assessment", _ABSENT), dict | None):
        raise ReceiptUnreadable("/assessment is missing or of another kind")
    return receipt


def _recorded(receipt: Mapping[str, Any]) -> None:
    """Refuse what is recorded if the rest cannot be made again from it."""
    if not isinstance(receipt["recorded"].get("methodology", _ABSENT), str | None):
        raise ReceiptUnreadable("/recorded/methodology is of another kind")
    if receipt["format"] == FORMAT:
        _salt(receipt["recorded"].get("salt", _ABSENT))


def verify(receipt: Mapping[str, Any], catalogue: Catalogue) -> Verdict:
    """Do the sum, the digests and the figures of a receipt again, and return what differs.

    ReceiptUnreadable: its version is not in the catalogue, or its event cannot be assessed.
    """
    reference = receipt["recorded"]["methodology"]
    differences = [*_digests(receipt), *_overlap(receipt)]
    notes: list[str] = []
    if reference is None:
        if receipt["assessment"] is not None:
            differences.append(Difference("/assessment", receipt["assessment"], None))
        notes.append("no methodology was used, so there is no sum to do again")
    else:
        again = _again(receipt, reference, catalogue)
        found = list(_compare("/assessment", receipt["assessment"], again))
        for one in found:
            if one.pointer == _STATUS and one.found == "withdrawn":
                notes.append(f"{reference} was withdrawn since; what it gave can be recomputed")
            else:
                differences.append(one)
        differences += _figures(receipt["recorded"], again)
        differences += _event(receipt, again)
    return Verdict(reference, tuple(differences), tuple(notes))


def digest_of_receipt(receipt: Mapping[str, Any]) -> str:
    """Return "sha256:..." of the receipt as JSON with sorted names, without this digest."""
    digests = {name: one for name, one in receipt["digests"].items() if name != "receipt"}
    text = orjson.dumps({**receipt, "digests": digests}, option=orjson.OPT_SORT_KEYS)
    return f"sha256:{sha256(text).hexdigest()}"


def _again(receipt: Mapping[str, Any], reference: str, catalogue: Catalogue) -> Mapping[str, Any]:
    event = receipt["event"]
    id_, _, version = reference.partition("@")
    try:
        edition = catalogue.edition(id_, version)
        explanation = catalogue.explain(
            edition.activity,
            region=event["region"],
            day=date.fromisoformat(event["local_day"]),
            level=event["evidence_level"],
            data=event["data"],
            version=version,
        )
    except (UnknownEdition, UnknownActivity) as missing:
        raise ReceiptUnreadable(
            f"the methodology {reference} is not among the published ones here; name the folder "
            "that has it with --methodologies"
        ) from missing
    except DataInvalid as wrong:
        raise ReceiptUnreadable(f"its event cannot be assessed by {reference}: {wrong}") from wrong
    except ValueError as wrong:
        raise ReceiptUnreadable(f"/event/local_day is not a day: {wrong}") from wrong
    return explanation.as_dict()


def _digests(receipt: Mapping[str, Any]) -> Iterator[Difference]:
    """The hash of the event, the leaf in the journal, and the digest of the whole receipt."""
    digests = receipt["digests"]
    sheet = (receipt["assessment"] or {}).get("methodology")
    found = {
        "content": f"sha256:{_content(receipt).hex()}",
        "leaf": _leaf(receipt, digests.get("content")),
        "methodology": sheet.get("digest") if isinstance(sheet, dict) else None,
        "receipt": digest_of_receipt(receipt),
    }
    yield from _compare("/digests", digests, found)


def _content(receipt: Mapping[str, Any]) -> bytes:
    """Return the digest of the event; in the first format whichever of its two was written."""
    overlap = receipt["event"].get("inventory_overlap")
    if receipt["format"] == FORMAT_1 and overlap is not None:
        written = receipt["digests"].get("content")
        stated = _content_with(receipt, overlap)
        return stated if written == f"sha256:{stated.hex()}" else _content_with(receipt, None)
    return _content_with(receipt, overlap)


def _content_with(receipt: Mapping[str, Any], overlap: str | None) -> bytes:
    """The digest of the event, had it stated this overlap."""
    event = receipt["event"]
    return content_digest(
        activity=event["type"],
        time=event["time"],
        level=event["evidence_level"],
        scope=event["scope"],
        region=event["region"],
        data=canonical_data(event["data"]),
        overlap=overlap,
    )


def _overlap(receipt: Mapping[str, Any]) -> Iterator[Difference]:
    """The overlap of a receipt of the first format whose event stated none: no digest names it.

    It is the one that the scope implies; the oldest actions have `none` with either scope.
    """
    event = receipt["event"]
    overlap = event.get("inventory_overlap")
    if receipt["format"] != FORMAT_1 or overlap is None:
        return
    implied = implied_overlap(event["scope"])
    if overlap not in (implied, "none") and _content(receipt) == _content_with(receipt, None):
        yield Difference("/event/inventory_overlap", overlap, implied)


def _leaf(receipt: Mapping[str, Any], content: object) -> str:
    """The leaf of what is recorded, under the salt that a receipt of this format shows."""
    recorded = receipt["recorded"]
    try:
        action = UUID(receipt["action_id"]).hex
    except ValueError as wrong:
        raise ReceiptUnreadable(f"/action_id is not an id: {wrong}") from wrong
    leaf = leaf_of_action(
        salt=_salt(recorded["salt"]) if receipt["format"] == FORMAT else None,
        action=action,
        content=str(content).removeprefix("sha256:"),
        methodology=recorded.get("methodology"),
        outcome=recorded.get("outcome"),
        gross_mg=recorded.get("gross_mg"),
        avoided_mg=recorded.get("avoided_mg"),
        points=str(recorded.get("points")),
    )
    return f"sha256:{leaf.hex()}"


def _salt(said: object) -> bytes | None:
    """The salt of a leaf, which is null for an action from before there were salts."""
    if said is None:
        return None
    if not isinstance(said, str) or not _SALT.fullmatch(said):
        raise ReceiptUnreadable("/recorded/salt is missing or of another kind")
    return bytes.fromhex(said)


def _figures(recorded: Mapping[str, Any], again: Mapping[str, Any]) -> Iterator[Difference]:
    """What was recorded beside what the sum gives: a cap may take all of it, and never adds."""
    if recorded.get("gross_mg") != again["gross_mg"]:
        yield Difference("/recorded/gross_mg", recorded.get("gross_mg"), again["gross_mg"])
    avoided, credited = recorded.get("avoided_mg"), again["credited_mg"]
    may = {"credited": (credited,), "capped": (credited, "0")}.get(
        str(recorded.get("outcome")), ("0",)
    )
    if avoided not in may:
        yield Difference("/recorded/avoided_mg", avoided, may[0])


def _event(receipt: Mapping[str, Any], again: Mapping[str, Any]) -> Iterator[Difference]:
    if receipt["event"]["type"] != again["activity"]:
        yield Difference("/event/type", receipt["event"]["type"], again["activity"])


def _compare(at: str, written: object, found: object) -> Iterator[Difference]:
    """Every leaf in which two JSON values differ."""
    if isinstance(written, Mapping) and isinstance(found, Mapping):
        for name in [*found, *(name for name in written if name not in found)]:
            pointer = f"{at}/{str(name).replace('~', '~0').replace('/', '~1')}"
            yield from _compare(pointer, written.get(name, _ABSENT), found.get(name, _ABSENT))
    elif isinstance(written, list) and isinstance(found, list):
        for number in range(max(len(written), len(found))):
            yield from _compare(
                f"{at}/{number}",
                written[number] if number < len(written) else _ABSENT,
                found[number] if number < len(found) else _ABSENT,
            )
    elif type(written) is not type(found) or written != found:
        yield Difference(at, written, found)


def _shown(value: object) -> str:
    if value is _ABSENT:
        return "nothing"
    text = orjson.dumps(value).decode()
    return text if len(text) <= 120 else f"{text[:117]}..."

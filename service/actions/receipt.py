"""Receipts: an action's sum, line by line, done again from the published methodology."""

from functools import partial
from typing import Any

from sqlalchemy import RowMapping

from methodologies.catalogue import Catalogue
from methodologies.content import canonical_data, content_digest
from methodologies.contract import DataInvalid
from methodologies.explanation import Explanation
from methodologies.verify import FORMAT, digest_of_receipt
from service.intake.outcome import Outcome, leaf_of, local_text


def explain_action(catalogue: Catalogue, action: RowMapping) -> Explanation | None:
    """Return the sum behind an action under the version that assessed it.

    None for a refused one.
    """
    if action["methodology"] is None:
        return None
    explanation = catalogue.explain(
        action["activity"],
        region=action["region"],
        day=action["local_day"],
        level=action["evidence_level"],
        data=action["data"],
        version=action["methodology"].partition("@")[2],
    )
    assert explanation.gross_mg == action["gross_mg"], (
        f"{action['action_id']}: recorded gross {action['gross_mg']} mg, "
        f"recomputed {explanation.gross_mg} mg"
    )
    return explanation


def counted_region(catalogue: Catalogue, action: RowMapping) -> str:
    """The region under which the totals count an action: its factors'; "" for a refused one."""
    explanation = explain_action(catalogue, action)
    return "" if explanation is None else explanation.region or ""


def now_of(action: RowMapping) -> dict[str, object]:
    """Return the newest assessment of an action, ready for JSON: recorded, or its last
    restatement.
    """
    newest = action["restatements"][-1] if action["restatements"] else action
    return {
        "methodology": newest["methodology"],
        "outcome": newest["outcome"],
        "gross_mg": str(newest["gross_mg"]),
        "avoided_mg": str(newest["avoided_mg"]),
    }


def receipt_of(catalogue: Catalogue, action: RowMapping) -> dict[str, object]:
    """Return everything that anyone needs to do the sum again, ready for JSON.

    `leaf` is the action's hash in the journal, under the salt; `content` the digest of the event
    as sent; `receipt` that of everything else here. `saxaul receipt verify` does all of it again.
    """
    explanation = explain_action(catalogue, action)
    recorded = {name: action[name] for name in Outcome._fields if name in action}
    outcome = Outcome(**recorded, batch_id=action["action_id"])
    leaf = leaf_of(outcome, action["gross_mg"], action["salt"])
    time = local_text(action["occurred_at"], action["utc_offset_min"])
    assert time is not None
    receipt: dict[str, Any] = {
        "format": FORMAT,
        "action_id": str(action["action_id"]),
        "text": "Estimated avoided emissions of one action, by a published methodology.",
        "recorded": {
            "outcome": action["outcome"],
            "reason": action["reason"],
            "detail": action["detail"],
            "methodology": action["methodology"],
            "gross_mg": str(action["gross_mg"]),
            "avoided_mg": str(action["avoided_mg"]),
            "points": action["points"],
            "recorded_at": action["recorded_at"].isoformat(),
            "salt": None if action["salt"] is None else action["salt"].hex(),
        },
        "now": now_of(action),
        "restatements": [
            {**one, "assessment": _explained(catalogue, action, one["methodology"])}
            for one in action["restatements"] or ()
        ],
        "event": {
            "type": action["activity"],
            "time": time,
            "local_day": action["local_day"].isoformat(),
            "region": action["region"],
            "evidence_level": action["evidence_level"],
            "scope": action["scope"],
            "inventory_overlap": _stated(action, time),
            "data": action["data"],
        },
        "status": {
            "held": action["held"],
            "transferred_to": action["transfer_scheme"],
            "reversed": action["reversal_reason"],
            "corroborated_by": action["corroborated_by"] and str(action["corroborated_by"]),
        },
        "assessment": None if explanation is None else explanation.as_dict(),
        "digests": {
            "content": f"sha256:{action['digest'].hex()}",
            "leaf": f"sha256:{leaf.hex()}",
            "methodology": None if explanation is None else explanation.edition.digest,
        },
    }
    receipt["digests"]["receipt"] = digest_of_receipt(receipt)
    return receipt


def _stated(action: RowMapping, time: str) -> str | None:
    """What the event said of inventories: only its digest tells whether it said anything."""
    digest_with = partial(
        content_digest,
        activity=action["activity"],
        time=time,
        level=action["evidence_level"],
        scope=action["scope"],
        region=action["region"],
        data=canonical_data(action["data"]),
    )
    for stated in (None, str(action["inventory_overlap"])):
        if digest_with(overlap=stated) == action["digest"]:
            return stated
    raise AssertionError(f"{action['action_id']}: its digest is of another event")


def _explained(
    catalogue: Catalogue, action: RowMapping, reference: str
) -> dict[str, object] | None:
    """Return the sum under another version; None when that version cannot read the data."""
    try:
        return catalogue.explain(
            action["activity"],
            region=action["region"],
            day=action["local_day"],
            level=action["evidence_level"],
            data=action["data"],
            version=reference,
        ).as_dict()
    except DataInvalid:
        return None

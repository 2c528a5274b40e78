"""Whole sheets and register rows as JSON, for the API and the pages. Pure."""

from datetime import date
from typing import Any

from methodologies.cases import Case
from methodologies.catalogue import Catalogue
from methodologies.contract import Edition
from methodologies.factors import Factor
from methodologies.register import ROW_FIELDS, Row


def head_of(edition: Edition) -> dict[str, Any]:
    """Return what a list of versions says about one, ready for JSON."""
    return {
        "id": edition.id,
        "version": edition.version,
        "title": edition.title,
        "activity": edition.activity,
        "status": edition.status,
        "published_on": edition.published_on.isoformat(),
        "in_force_from": edition.in_force_from.isoformat(),
        "regions": list(edition.regions),
        "minimum_evidence_level": edition.minimum_level,
        "digest": edition.digest,
    }


def sheet_of(catalogue: Catalogue, edition: Edition) -> dict[str, Any]:
    """Return one version whole, ready for JSON: sheet, factors as frozen, worked cases."""
    return {
        **head_of(edition),
        "sheet": edition.sheet,
        "factors": [one.as_dict() for one in catalogue.factors_of(edition.id, edition.version)],
        "cases": [case_of(one) for one in catalogue.cases(edition.id, edition.version)],
    }


def case_of(case: Case) -> dict[str, Any]:
    """Return a worked case as its file has it; what is not expected is left out."""
    expect = {
        "gross_g": None if case.gross_g is None else str(case.gross_g),
        "credited_mg": None if case.credited_mg is None else str(case.credited_mg),
        "refused": case.refused,
        "mentions": case.mentions,
        "invalid": case.invalid,
        "region": case.uses_region,
        "flags": None if case.flags is None else list(case.flags),
        "claims": None if case.claims is None else list(case.claims),
    }
    return {
        "name": case.name,
        "given": {
            "region": case.region,
            "day": case.day.isoformat(),
            "level": case.level,
            "data": case.data,
        },
        "by_hand": case.by_hand,
        "expect": {name: one for name, one in expect.items() if one is not None},
    }


def rows_of(
    catalogue: Catalogue, *, id_: str | None, region: str | None, on: date | None
) -> list[dict[str, Any]]:
    """Return register rows, and values that only folders of others have, by id and version."""
    readers = readers_of(catalogue)
    rows = [
        {**row.as_dict(), "used_by": _readers(row, readers)}
        for row in catalogue.register.find(id_=id_, region=region, on=on)
    ]
    rows += [
        {**_alone(factor), "used_by": list(readers.get(factor.id, ()))}
        for factor in catalogue.factors(id_=id_, region=region, on=on)
        if not catalogue.register.named(factor.id)
    ]
    return sorted(rows, key=index_of_row)


def index_of_row(row: dict[str, Any]) -> tuple[str, int, str]:
    """The key by which rows are sorted; a cursor holds that of the last row of a page."""
    return row["id"], int(row["version"]), row["valid_from"]


def readers_of(catalogue: Catalogue) -> dict[str, tuple[str, ...]]:
    """Return the versions that carry each factor, by factor id."""
    found: dict[str, tuple[str, ...]] = {}
    for edition in catalogue.editions():
        for id_ in dict.fromkeys(
            one.id for one in catalogue.factors_of(edition.id, edition.version)
        ):
            found[id_] = (*found.get(id_, ()), edition.reference)
    return found


def _readers(row: Row, readers: dict[str, tuple[str, ...]]) -> list[str]:
    names = dict.fromkeys((row.factor.id, row.family))
    return [reference for name in names for reference in readers.get(name, ())]


def _alone(factor: Factor) -> dict[str, Any]:
    """A value that is in no register, in the shape of a row."""
    return {
        **dict.fromkeys(ROW_FIELDS),
        **factor.as_dict(),
        "version": "1",
        "family": factor.id,
    }

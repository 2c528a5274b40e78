"""The register: every factor and parameter with its source, in files by area. See decision 0022.

A version folder is complete without it: what it reads it carries as a frozen copy. The register is
where a value is entered, reviewed and superseded. No day is read here; `review` gets one.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

from methodologies.branches import is_region
from methodologies.contract import CatalogueBroken
from methodologies.document import Cursor, read_document
from methodologies.factors import (
    CONFIDENCES,
    Factor,
    check_derivation,
    read_source,
    refuse_unwaived,
)

FOLDER = "factors"
SOURCES = "sources.yaml"
LOCAL = "local.yaml"

# A row that names no day of its own is looked at again so long after it was last checked; what is
# from memory, in conflict or weak sooner.
REVIEW_AFTER = timedelta(days=365)
REVIEW_SOON_AFTER = timedelta(days=182)
DOUBTFUL = frozenset(("conflict", "weak"))
GRACE = timedelta(days=90)  # after its review day a row that is used is a warning, then a refusal

# What else may be known of a row, and of which choices. A row leaves out what is not known.
DETAILS: Mapping[str, tuple[str, ...]] = {
    "data_year": (),
    "source_hash": (),
    "licence": (),
    "distribution": ("normal", "lognormal", "triangular", "uniform"),
    "lca_boundary": ("use", "wtw", "cradle_to_gate", "cradle_to_grave"),
    "gas_coverage": ("co2", "co2e"),
    "gwp_set": ("AR4", "AR5", "AR6"),
    "role": ("baseline", "project", "either"),
    "conservative_direction": ("low", "high"),
    "reviewed_by": (),
}
QUALITIES = ("temporal", "geographic", "technological", "reliability")
_TEXTS = ("locator", "notes", "waiver", "derivation", "judgement")
_DAYS = ("published_at", "accessed_at")
# What a row has beside a factor's own fields.
ROW_FIELDS = ("version", "family", "area", "review_by", *_DAYS, *DETAILS, "data_quality",
              "supersedes", "superseded_by")  # fmt: skip
_REFERENCE = re.compile(r"\{([^}]*)\}")
_ID = re.compile(r"[a-z0-9-]{1,30}(\.[a-z0-9_-]{1,40}){1,5}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Row:
    """One row. Rows of a family follow each other in time; a newer version supersedes an older."""

    factor: Factor
    version: str
    family: str
    area: str
    review_by: date
    details: Mapping[str, object]
    supersedes: str | None
    superseded_by: str | None
    at: Cursor

    @property
    def key(self) -> str:
        return f"{self.factor.id}@{self.version}"

    def as_dict(self) -> dict[str, object]:
        """Return every field, ready for JSON; a field that is not known is None."""
        return {
            **self.factor.as_dict(),
            "version": self.version,
            "family": self.family,
            "area": self.area,
            "review_by": self.review_by.isoformat(),
            **{name: self.details.get(name) for name in (*_DAYS, *DETAILS, "data_quality")},
            "supersedes": self.supersedes,
            "superseded_by": self.superseded_by,
        }


@dataclass(frozen=True, slots=True)
class Area:
    """One file of the register."""

    name: str
    title: str
    about: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class LocalValue:
    """A value that a version folder holds on purpose otherwise than the register, and why."""

    methodology: str
    factor: str
    why: str


class Register:
    """The rows of one or more folders."""

    def __init__(self, areas: tuple[Area, ...], local: tuple[LocalValue, ...]) -> None:
        self.areas = areas
        self.rows = tuple(row for area in areas for row in area.rows)
        self.local = local
        self._by_name: dict[str, list[Row]] = {}
        for row in self.rows:
            for name in {row.factor.id, row.family}:
                self._by_name.setdefault(name, []).append(row)

    def named(self, name: str) -> tuple[Row, ...]:
        """Return the rows of an id or a family, superseded ones too."""
        return tuple(self._by_name.get(name, ()))

    def find(self, *, id_: str | None, region: str | None, on: date | None) -> tuple[Row, ...]:
        """The rows of an id or family, a region and a day; None: whatever it is. By id, version."""
        rows = self.rows if id_ is None else self.named(id_)
        found = [
            row
            for row in rows
            if (region is None or row.factor.region == region)
            and (on is None or row.factor.holds_on(on))
        ]
        return tuple(sorted(found, key=lambda row: (row.factor.id, int(row.version))))


def read_register(folder: Path) -> Register:
    """The register of a folder of methodologies; one without `factors/` has an empty one.

    CatalogueBroken: with file, line, reason and rule.
    """
    inside = folder / FOLDER
    if not inside.is_dir():
        return Register((), ())
    root = read_document(inside / SOURCES, shown_as=f"{FOLDER}/{SOURCES}")
    listed = root.table(needs=["sources"])["sources"]
    sources = {key.text(): entry for key, entry in listed.entries()}
    areas = []
    for path in sorted(inside.iterdir()):
        if path.name in (SOURCES, LOCAL):
            continue
        if path.suffix != ".yaml" or not path.is_file():
            raise CatalogueBroken(f"{FOLDER}/{path.name}", 1, "only YAML files belong here")
        areas.append(_read_area(path, sources))
    rows = [row for area in areas for row in area.rows]
    _refuse_unused_sources(sources, rows)
    return Register(_checked(areas), _read_local(inside))


def merged(registers: Iterable[Register]) -> Register:
    """One register of many folders. CatalogueBroken: two of them have the same row."""
    found = tuple(registers)
    return Register(
        _checked([area for one in found for area in one.areas]),
        tuple(entry for one in found for entry in one.local),
    )


def _read_area(path: Path, sources: Mapping[str, Cursor]) -> Area:
    root = read_document(path, shown_as=f"{FOLDER}/{path.name}")
    table = root.table(needs=["title", "about", "checked_on", "factors"])
    checked_on = table["checked_on"].day()
    rows = tuple(
        _read_row(item, area=path.stem, checked_on=checked_on, sources=sources)
        for item in table["factors"].items()
    )
    return Area(path.stem, table["title"].text(), table["about"].text(), rows)


def _read_row(item: Cursor, *, area: str, checked_on: date, sources: Mapping[str, Cursor]) -> Row:
    given = item.table(
        needs=[
            "id",
            "version",
            "value",
            "unit",
            "region",
            "valid_from",
            "source",
            "confidence",
            "uncertainty_pct",
        ],
        may=[
            "family",
            "valid_to",
            "checked_on",
            "review_by",
            "supersedes",
            "flags",
            "data_quality",
            *_TEXTS,
            *_DAYS,
            *DETAILS,
        ],
        rules={"source": "every-value-has-a-source", "unit": "every-value-has-a-unit"},
    )
    texts = {name: given[name].text() for name in _TEXTS if name in given}
    factor = Factor(
        id=given["id"].text(),
        value=given["value"].text(),
        number=given["value"].number(),
        unit=given["unit"].text(),
        region=given["region"].text(),
        valid_from=given["valid_from"].day(),
        valid_to=given["valid_to"].day() if "valid_to" in given else None,
        confidence=given["confidence"].one_of(CONFIDENCES),
        uncertainty_pct=str(given["uncertainty_pct"].number()),
        flags=given["flags"].texts() if "flags" in given else (),
        notes=texts.get("notes"),
        waiver=texts.get("waiver"),
        derivation=texts.get("derivation"),
        judgement=texts.get("judgement"),
        checked_on=given["checked_on"].day() if "checked_on" in given else checked_on,
        source=read_source(given["source"], texts.get("locator"), sources),
    )
    if not _ID.fullmatch(factor.id):
        raise given["id"].broken(f"{factor.id!r} is not an id such as cn.travel.metro")
    if factor.region != "GLOBAL" and not is_region(factor.region):
        raise given["region"].broken(f"{factor.region!r} is not an ISO 3166 region")
    if factor.valid_to and factor.valid_to < factor.valid_from:
        raise given["valid_to"].broken(f"{factor.id} ends before it begins")
    if not given["version"].count():
        raise given["version"].broken("versions are counted from 1")
    return Row(
        factor=factor,
        version=given["version"].text(),
        family=given["family"].text() if "family" in given else factor.id,
        area=area,
        review_by=given["review_by"].day() if "review_by" in given else _review_by(factor),
        details=_read_details(given),
        supersedes=given["supersedes"].text() if "supersedes" in given else None,
        superseded_by=None,
        at=item,
    )


def _review_by(factor: Factor) -> date:
    soon = factor.confidence == "M" or DOUBTFUL & set(factor.flags)
    return factor.checked_on + (REVIEW_SOON_AFTER if soon else REVIEW_AFTER)


def _read_details(given: Mapping[str, Cursor]) -> dict[str, object]:
    details: dict[str, object] = {
        name: given[name].one_of(choices) if choices else given[name].text()
        for name, choices in DETAILS.items()
        if name in given
    }
    details |= {name: given[name].day().isoformat() for name in _DAYS if name in given}
    if "data_quality" in given:
        marks = given["data_quality"].table(needs=[], may=QUALITIES)
        details["data_quality"] = {
            name: int(mark.one_of(("1", "2", "3", "4", "5"))) for name, mark in marks.items()
        }
    return details


def _read_local(folder: Path) -> tuple[LocalValue, ...]:
    if not (folder / LOCAL).is_file():
        return ()
    root = read_document(folder / LOCAL, shown_as=f"{FOLDER}/{LOCAL}")
    return tuple(
        LocalValue(**{name: cursor.text() for name, cursor in fields.items()})
        for item in root.table(needs=["local"])["local"].items()
        if (fields := item.table(needs=["methodology", "factor", "why"]))
    )


def _checked(areas: list[Area]) -> tuple[Area, ...]:
    """The areas with each row's successor. CatalogueBroken: see the four refusals below."""
    rows = [row for area in areas for row in area.rows]
    by_key: dict[str, Row] = {}
    for row in rows:
        if row.key in by_key:
            raise row.at.broken(f"{row.key} is there twice", rule="id-and-version-once")
        by_key[row.key] = row
    successors = {}
    for row in rows:
        if row.supersedes is None:
            continue
        older = by_key.get(f"{row.factor.id}@{row.supersedes}")
        if older is None or int(older.version) >= int(row.version):
            raise row.at.broken(
                f"{row.key} supersedes version {row.supersedes}, which is not an older one of it",
                rule="supersedes-an-older-version",
            )
        successors[older.key] = row.version
    rows = [replace(row, superseded_by=successors.get(row.key)) for row in rows]
    _refuse_overlap(rows)
    current = {row.factor.id: row.factor for row in rows if row.superseded_by is None}
    for row in rows:
        if row.factor.confidence == "D":
            check_derivation(replace(row.factor, derivation=_written(row, current)), row.at)
    checked = {row.key: row for row in rows}
    return tuple(replace(area, rows=tuple(checked[row.key] for row in area.rows)) for area in areas)


def _written(row: Row, current: Mapping[str, Factor]) -> str | None:
    """The derivation with the values of the rows that it names."""
    if row.factor.derivation is None:
        return None

    def value_of(reference: re.Match[str]) -> str:
        if reference[1] not in current:
            raise row.at.broken(
                f"the derivation of {row.factor.id} names {reference[1]}, which is no row",
                rule="a-derivation-recomputes",
            )
        return current[reference[1]].value

    return _REFERENCE.sub(value_of, row.factor.derivation)


def _refuse_overlap(rows: list[Row]) -> None:
    families: dict[str, list[Row]] = {}
    for row in rows:
        if row.superseded_by is None:
            families.setdefault(row.family, []).append(row)
    for family, members in families.items():
        members.sort(key=lambda row: row.factor.valid_from)
        for earlier, later in pairwise(members):
            end = earlier.factor.valid_to
            if end is None or later.factor.valid_from <= end:
                raise later.at.broken(
                    f"{earlier.key} and {later.key} of the family {family} would both hold on "
                    f"{later.factor.valid_from}",
                    rule="a-family-does-not-overlap",
                )


def _refuse_unused_sources(sources: Mapping[str, Cursor], rows: Iterable[Row]) -> None:
    used = {row.factor.source.key for row in rows}
    for name in sorted(sources.keys() - used):
        raise sources[name].broken(f"the source {name!r} is used by no row")


def refuse_doubtful(register: Register, used: Mapping[str, Iterable[Factor]]) -> None:
    """CatalogueBroken: a row that is read is from memory or in conflict, without a written waiver.

    `used`: the copies by id, of versions that take new actions; a copy may carry the waiver.
    """
    for id_, copies in used.items():
        for row in register.named(id_):
            if row.superseded_by is None and not all(
                copy.waiver for copy in copies if row.factor.holds_on(copy.valid_from)
            ):
                refuse_unwaived(row.factor, row.at)


def counts(register: Register) -> Counter[str]:
    """Return the number of rows by confidence."""
    return Counter(row.factor.confidence for row in register.rows)

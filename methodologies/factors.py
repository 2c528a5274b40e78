"""Dated, sourced values: reading factors.yaml and finding the value in force on a day."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from methodologies.arithmetic import evaluate
from methodologies.document import Cursor

CONFIDENCES = ("S", "S2", "M", "D")  # seen, seen in a copy, from memory, derived here


@dataclass(frozen=True, slots=True)
class Source:
    """Where a value can be looked up. `locator` is the table, page or row inside the source."""

    key: str
    title: str
    publisher: str
    year: str | None
    locator: str | None
    url: str | None


@dataclass(frozen=True, slots=True)
class Factor:
    """One value of one factor with the days on which it holds, both ends included."""

    id: str
    value: str  # as written in the file
    number: Decimal
    unit: str
    region: str
    valid_from: date
    valid_to: date | None
    confidence: str
    uncertainty_pct: str
    flags: tuple[str, ...]
    notes: str | None
    waiver: str | None
    derivation: str | None
    judgement: str | None
    checked_on: date
    source: Source

    def holds_on(self, day: date) -> bool:
        return self.valid_from <= day and (self.valid_to is None or day <= self.valid_to)

    def as_dict(self) -> dict[str, object]:
        """The factor as a receipt shows it, ready for JSON."""
        return {
            "id": self.id,
            "value": self.value,
            "unit": self.unit,
            "region": self.region,
            "valid_from": self.valid_from.isoformat(),
            "valid_to": self.valid_to.isoformat() if self.valid_to else None,
            "confidence": self.confidence,
            "uncertainty_pct": self.uncertainty_pct,
            "flags": list(self.flags),
            "notes": self.notes,
            "waiver": self.waiver,
            "derivation": self.derivation,
            "judgement": self.judgement,
            "checked_on": self.checked_on.isoformat(),
            "source": {
                "title": self.source.title,
                "publisher": self.source.publisher,
                "year": self.source.year,
                "locator": self.source.locator,
                "url": self.source.url,
            },
        }


Factors = Mapping[str, tuple[Factor, ...]]  # by id, in the order of their days


def in_force(values: tuple[Factor, ...], day: date) -> Factor | None:
    """Return the value that holds on the day, or None; never another day's or region's."""
    for factor in values:
        if factor.holds_on(day):
            return factor
    return None


def days_covered(values: tuple[Factor, ...]) -> str:
    """Return the days on which a factor has a value, in words."""
    return ", ".join(
        f"{factor.valid_from} to {factor.valid_to}"
        if factor.valid_to
        else f"from {factor.valid_from}"
        for factor in values
    )


def read_factors(root: Cursor) -> Factors:
    """Read all factors of one factors.yaml, by id.

    CatalogueBroken: see `_read_value` and `_refuse_overlap`; or a source that no value uses.
    """
    table = root.table(needs=["factors", "sources"])
    sources = {key.text(): value for key, value in table["sources"].entries()}
    factors: dict[str, tuple[Factor, ...]] = {}
    used: set[str] = set()
    for key, entry in table["factors"].entries():
        fields = entry.table(
            needs=["unit", "region", "checked_on", "values"],
            rules={"unit": "every-value-has-a-unit"},
        )
        values: list[Factor] = []
        for day, value in fields["values"].entries():
            factor = _read_value(key.text(), day.day(), value, fields=fields, sources=sources)
            used.add(factor.source.key)
            if values:
                _refuse_overlap(values[-1], factor, at=day)
            values.append(factor)
        if not values:
            raise key.broken(f"{key.text()} has no value")
        factors[key.text()] = tuple(values)
    for name in sorted(sources.keys() - used):
        raise sources[name].broken(f"the source {name!r} is used by no value")
    return factors


def _read_value(
    id_: str,
    valid_from: date,
    value: Cursor,
    *,
    fields: Mapping[str, Cursor],
    sources: Mapping[str, Cursor],
) -> Factor:
    """One dated value.

    CatalogueBroken: its source is not listed; it is from memory without a waiver; it is derived
    without a derivation or a judgement; its derivation does not give it.
    """
    given = value.table(
        needs=["value", "valid_to", "source", "confidence", "uncertainty_pct"],
        may=["locator", "flags", "notes", "waiver", "derivation", "judgement"],
        rules={"source": "every-value-has-a-source"},
    )
    texts = {name: given[name].text() for name in _TEXTS if name in given}
    factor = Factor(
        id=id_,
        value=str(given["value"].plain()),
        number=given["value"].number(),
        unit=fields["unit"].text(),
        region=fields["region"].text(),
        valid_from=valid_from,
        valid_to=None if given["valid_to"].is_null() else given["valid_to"].day(),
        confidence=given["confidence"].one_of(CONFIDENCES),
        uncertainty_pct=str(given["uncertainty_pct"].number()),
        flags=given["flags"].texts() if "flags" in given else (),
        notes=texts.get("notes"),
        waiver=texts.get("waiver"),
        derivation=texts.get("derivation"),
        judgement=texts.get("judgement"),
        checked_on=fields["checked_on"].day(),
        source=read_source(given["source"], texts.get("locator"), sources),
    )
    if factor.valid_to and factor.valid_to < valid_from:
        raise given["valid_to"].broken(f"{id_} ends before it begins")
    refuse_unwaived(factor, value)
    if factor.confidence == "D":
        check_derivation(factor, value)
    return factor


def refuse_unwaived(factor: Factor, value: Cursor) -> None:
    """Refuse a value that is from memory or in conflict and has no waiver.

    CatalogueBroken: with the line of the value and the rule.
    """
    if factor.waiver:
        return
    doubts = {
        "from memory (M)": factor.confidence == "M",
        "in conflict with another source": "conflict" in factor.flags,
    }
    for doubt, holds in doubts.items():
        if holds:
            raise value.broken(
                f"{factor.id} is {doubt} and needs a waiver: who accepts it and why",
                rule="doubt-needs-a-waiver",
            )


_TEXTS = ("locator", "notes", "waiver", "derivation", "judgement")


def read_source(named: Cursor, locator: str | None, sources: Mapping[str, Cursor]) -> Source:
    """Return the source that a value names. CatalogueBroken: it is not in the block of sources."""
    key = named.text()
    if key not in sources:
        raise named.broken(
            f"the source {key!r} is not in the block of sources", rule="every-value-has-a-source"
        )
    entry = sources[key]
    fields = entry.table(needs=["title", "publisher"], may=["year", "url", "locator"])
    if locator is None and "locator" in fields:
        locator = fields["locator"].text()
    return Source(
        key=key,
        title=fields["title"].text(),
        publisher=fields["publisher"].text(),
        year=_text_or_none(fields.get("year")),
        locator=locator,
        url=_text_or_none(fields.get("url")),
    )


def _text_or_none(field: Cursor | None) -> str | None:
    return None if field is None or field.is_null() else field.text()


def check_derivation(factor: Factor, value: Cursor) -> None:
    """Work a derived value out again.

    CatalogueBroken: it has neither derivation nor judgement, or its derivation gives another value.
    """
    if not factor.derivation:
        if not factor.judgement:
            raise value.broken(
                f"{factor.id} is derived (D) and needs a derivation, or a judgement in words",
                rule="a-derivation-recomputes",
            )
        return
    try:
        derived = evaluate(factor.derivation)
    except ValueError as wrong:
        raise value.broken(
            f"the derivation of {factor.id}: {wrong}", rule="a-derivation-recomputes"
        ) from wrong
    # The value may be rounded or cut at its last digit: it is less than a unit of that digit away.
    last_digit = Decimal(1).scaleb(int(factor.number.as_tuple().exponent))
    if abs(derived - factor.number) >= last_digit:
        raise value.broken(
            f"the derivation of {factor.id} gives {derived}, not {factor.value}",
            rule="a-derivation-recomputes",
        )


def _refuse_overlap(earlier: Factor, later: Factor, *, at: Cursor) -> None:
    if earlier.valid_to is None or later.valid_from <= earlier.valid_to:
        raise at.broken(
            f"two values of {later.id} would hold on {later.valid_from}",
            rule="a-family-does-not-overlap",
        )

"""What may be restated or compared: versions, activities, closed days. Pure.

Rule numbers are those of the accounting rules: R9 one reduction, one record; R12 results stand on
a frozen version; R13 when past results are changed.
"""

from dataclasses import dataclass
from datetime import date, timedelta

from methodologies.catalogue import Catalogue
from methodologies.contract import PROGRAMME_END, PROGRAMME_START, Edition, UnknownEdition
from service.errors import MethodologyNotFound, RestatementRefused
from service.restate.effect import last_closed_day


@dataclass(frozen=True, slots=True)
class Span:
    """Local days, both included."""

    first: date
    last: date


@dataclass(frozen=True, slots=True)
class Change:
    """A restatement that the rules allow: from one version of an activity to another."""

    methodology: str
    activity: str
    from_: str
    to: str


def change_of(catalogue: Catalogue, methodology: str, from_version: str, to_version: str) -> Change:
    """Raise RestatementRefused for a target that no past result may stand on."""
    old = _edition(catalogue, f"{methodology}@{from_version}")
    new = _edition(catalogue, f"{methodology}@{to_version}")
    if old.reference == new.reference:
        raise RestatementRefused(
            f"R13: {new.reference} to itself changes nothing. Name a later version with --to."
        )
    if new.status != "published":
        instead = "Publish it first." if new.status == "draft" else "Name a published version."
        raise RestatementRefused(
            f"R12: {new.reference} is {_article(new.status)}, and results stand on a published "
            f"version only. {instead} A shadow run compares any version."
        )
    if old.activity != new.activity:
        raise RestatementRefused(
            f"R9: {new.reference} is about {new.activity}, the actions are about {old.activity}: "
            "one reduction stays one record of its own activity."
        )
    return Change(methodology, old.activity, old.reference, new.reference)


def closed_span(between: Span | None, *, now_day: date, late_days: int) -> Span:
    """Return the days to restate; without `between` all that are closed.

    Raises RestatementRefused for a day that is still open, or that is none of the programme.
    """
    closed = min(last_closed_day(now_day, late_days), PROGRAMME_END)
    span = between or Span(PROGRAMME_START, closed)
    if between is not None and between.last > closed:
        raise RestatementRefused(
            f"R13: days after {closed} are open: events of them are still accepted, and the "
            f"version in force assesses those. End with {closed}, and restate the rest from "
            f"{between.last + timedelta(days=late_days + 2)} on."
        )
    return checked(span)


def checked(span: Span) -> Span:
    """Return the same days. Raises RestatementRefused when they are none of the programme."""
    if span.first > span.last:
        raise RestatementRefused(f"R7: there is no day from {span.first} to {span.last}.")
    if span.first < PROGRAMME_START or span.last > PROGRAMME_END:
        raise RestatementRefused(
            f"R7: the programme is from {PROGRAMME_START} to {PROGRAMME_END}; "
            f"{span.first} to {span.last} is not within it."
        )
    return span


def activity_of(catalogue: Catalogue, methodology: str) -> str:
    """Return what a methodology is about. Raises MethodologyNotFound."""
    for edition in catalogue.editions():
        if edition.id == methodology:
            return edition.activity
    raise MethodologyNotFound(
        f"There is no methodology {methodology!r}; there are "
        f"{', '.join(sorted({one.id for one in catalogue.editions()}))}."
    )


def alternative_of(catalogue: Catalogue, activity: str, reference: str) -> Edition:
    """Return a version of any status to compare with. Raises as `change_of`."""
    edition = _edition(catalogue, reference)
    if edition.activity != activity:
        raise RestatementRefused(
            f"R9: {reference} is about {edition.activity}; compare it with actions of that, not "
            f"of {activity}."
        )
    return edition


def _edition(catalogue: Catalogue, reference: str) -> Edition:
    id_, _, version = reference.partition("@")
    try:
        return catalogue.edition(id_, version)
    except UnknownEdition as error:
        known = [one.reference for one in catalogue.editions() if one.id == id_]
        raise MethodologyNotFound(
            f"R12: there is no {reference}; there is {', '.join(known) or f'no {id_} at all'}."
        ) from error


def _article(status: str) -> str:
    return f"a {status}" if status == "draft" else status

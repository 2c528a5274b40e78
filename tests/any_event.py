"""Events of every kind that hypothesis can make, and what the rules make of one without a database.

The data of an event begins with a worked case of its activity, so that it is often credited; then
inputs are drawn anew, within the sheet's limits and beyond them.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import orjson
from builders import NOW, SOURCES, settings_of
from hypothesis import strategies as st

from methodologies.cases import Case
from methodologies.catalogue import Catalogue, load_catalogue
from methodologies.contract import Assessment, Edition
from methodologies.exclusive import load_exclusions
from methodologies.leaf import SALT_BYTES
from service.clock import uuid7
from service.intake.candidate import Assessor, Candidate
from service.intake.day_state import DayKey, DayState
from service.intake.decide import Decider
from service.intake.event import CloudEvent
from service.intake.extent import YearState
from service.intake.ids import ActionIds
from service.intake.outcome import Outcome
from service.partners.caller import PROGRAMME, Caller
from service.partners.person_key import hasher_of
from service.points.policy import load_policy

CATALOGUE = load_catalogue()
POLICY = load_policy()
EXCLUSIONS = load_exclusions()
OVERLAPS = ("none", "s1", "s2", "s3", *(f"s3_cat{number}" for number in range(1, 16)),
            "merchant_s3")  # fmt: skip
SALT = bytes(range(SALT_BYTES))
REGIONS = ("CN", "CN-ZJ", "GB", "US-NY", "FR")
REPORTER = Caller(
    name="partner:acme",
    partner="acme",
    scopes=frozenset({"events:write", "events:backfill"}),
    sources=frozenset(SOURCES),
    default_level="L1",
    max_level="L1",
    people=PROGRAMME,
)


def editions_by_activity(catalogue: Catalogue) -> dict[str, list[Edition]]:
    """The published versions of each activity."""
    found: dict[str, list[Edition]] = {}
    for edition in catalogue.editions():
        if edition.status == "published":
            found.setdefault(edition.activity, []).append(edition)
    return found


EDITIONS = editions_by_activity(CATALOGUE)


def cases_of(edition: Edition) -> list[Case]:
    """The worked cases of a version whose data can be read."""
    return [c for c in CATALOGUE.cases(edition.id, edition.version) if c.invalid is None]


_printable = st.characters(min_codepoint=0x20, exclude_characters="\x7f", exclude_categories=["Cs"])
_names = st.text(_printable, min_size=1, max_size=12)
_texts = st.text(_printable, max_size=20)
_ids = st.text("abcXYZ0189-_.", min_size=1, max_size=24)
_scalars = st.one_of(
    st.none(), st.booleans(), _texts, st.integers(-(10**12), 10**12),
    st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**9), max_value=10**9,
                places=4),
)  # fmt: skip
_rows = st.lists(st.one_of(_scalars, st.dictionaries(_names, _scalars, max_size=3)), max_size=4)
ANY_DATA = st.dictionaries(_names, st.one_of(_scalars, _rows), max_size=5)
"""Data that no sheet knows: an event that is too old is recorded with whatever it holds."""


def _numbers(declared: dict[str, Any]) -> st.SearchStrategy[object]:
    """A number of a sheet's unit; one of eight is beyond its limits."""
    places = 0 if declared["kind"] == "count" else 3
    low, high = Decimal(declared["min"]), Decimal(declared["max"])
    inside = st.decimals(low, high, places=places)
    number = st.one_of(*[inside] * 7, st.decimals(high, high * 3 + 1, places=places))
    return st.one_of(number.map(lambda one: format(one, "f")), number)


def _input(declared: dict[str, Any]) -> st.SearchStrategy[object]:
    """A value for a declared input."""
    makers: dict[str, Callable[[], st.SearchStrategy[object]]] = {
        "number": lambda: _numbers(declared),
        "count": lambda: _numbers(declared),
        "numbers": lambda: st.lists(
            _numbers(declared), min_size=1, max_size=int(declared["at_most"])
        ),
        "choice": lambda: st.sampled_from(declared["choices"]),
        "switch": st.booleans,
        "id": lambda: _ids,
        "ids": lambda: st.lists(_ids, min_size=1, max_size=3, unique=True),
        "rows": lambda: st.lists(
            st.fixed_dictionaries({n: _input(one) for n, one in declared["columns"].items()}),
            min_size=1,
            max_size=3,
        ),
        "text": lambda: st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=20),
    }
    return makers[declared["kind"]]()


@st.composite
def data_of(draw: st.DrawFn, edition: Edition) -> tuple[str | None, dict[str, object]]:
    """A region, and data for a version: those of a case, with some inputs drawn anew."""
    case = draw(st.sampled_from(cases_of(edition)))
    data = dict(case.data)
    inputs = cast("dict[str, dict[str, Any]]", edition.sheet["inputs"])
    for name in draw(st.lists(st.sampled_from(sorted(inputs)), max_size=2, unique=True)):
        if name in data and draw(st.integers(0, 3)) == 0:
            del data[name]
        else:
            data[name] = draw(_input(inputs[name]))
    region = draw(st.sampled_from([case.region] * 3 + [draw(st.sampled_from(REGIONS))]))
    return region, data


_offsets = st.sampled_from([0, 480, 540, -300, 345, -210, 840]).map(
    lambda minutes: timezone(timedelta(minutes=minutes))
)
_ages = st.one_of(
    st.timedeltas(timedelta(0), timedelta(days=29)),
    st.timedeltas(timedelta(0), timedelta(days=29)),
    st.timedeltas(timedelta(days=30), timedelta(days=5 * 365)),
)


@st.composite
def an_instant(draw: st.DrawFn) -> str:
    """A time of the programme up to now, in some offset, with a fraction of a second or none."""
    at = (NOW - draw(_ages)).astimezone(draw(_offsets))
    return (at if draw(st.booleans()) else at.replace(microsecond=0)).isoformat()


@st.composite
def any_event(draw: st.DrawFn) -> dict[str, object]:
    """An event with any of the optional attributes, of any activity of the catalogue."""
    edition = draw(st.sampled_from(EDITIONS[draw(st.sampled_from(sorted(EDITIONS)))]))
    region, data = draw(data_of(edition))
    event: dict[str, object] = {
        "specversion": "1.0",
        "id": draw(_names),
        "source": draw(st.sampled_from(SOURCES)),
        "type": edition.activity,
        "subject": draw(_names.filter(lambda name: name != "me")),
        "time": draw(an_instant()),
        "data": {**data, **({} if region is None else {"region": region})},
    }
    optional = {
        "datacontenttype": st.just("application/json"),
        "dataschema": _texts,
        "evidencelevel": st.sampled_from(["L0", "L1"]),
        "scope": st.sampled_from(["3", "3+"]),
        "inventoryoverlap": st.sampled_from(OVERLAPS),
    }
    for name, values in optional.items():
        if draw(st.booleans()):
            event[name] = draw(values)
    return event


def as_json(event: dict[str, object]) -> bytes:
    """An event as its sender writes it: decimals are JSON numbers."""
    return orjson.dumps(event, default=lambda number: orjson.Fragment(format(number, "f")))


def an_assessor(home: Path) -> Assessor:
    """What prepares events, under the settings of the tests."""
    return Assessor(CATALOGUE, hasher_of(settings_of(home)), settings_of(home), EXCLUSIONS)


def decided(candidate: Candidate, day: DayState, *, claimed: bool) -> Outcome:
    """What becomes of a single event of a person who has `day` for its activity already."""
    days: dict[DayKey, DayState] = {}
    extent = candidate.extent
    for one in () if extent is None else extent.days:
        days[candidate.bucket, candidate.person_id, one, candidate.activity] = DayState()
    own = candidate.bucket, candidate.person_id, candidate.local_day, candidate.activity
    days[own] = day
    years = () if extent is None else extent.years(candidate.local_day)
    decider = Decider(
        POLICY,
        batch_id=uuid7(NOW),
        now=NOW,
        days=days,
        years={key: YearState(0, set()) for key in years},
        exclusions=EXCLUSIONS,
    )
    action_id = ActionIds(NOW, 1).take(candidate.bucket, candidate.month)
    return decider.decide(candidate, action_id, salt=SALT, claimed=claimed)


def as_recorded(candidate: Candidate, outcome: Outcome) -> dict[str, Any]:
    """An action as `find_action` reads it back, which nothing happened to since."""
    result = candidate.result
    gross_mg = result.gross_mg if isinstance(result, Assessment) else 0
    return {
        **{name: getattr(outcome, name) for name in Outcome._fields if name != "batch_id"},
        "action_id": UUID(int=outcome.action_id.int),
        "activity": candidate.activity,
        "region": candidate.region,
        "occurred_at": candidate.occurred_at.astimezone(UTC),
        "recorded_at": NOW,
        "gross_mg": gross_mg,
        "salt": SALT,
        "data": orjson.loads(candidate.data),
        "inventory_overlap": candidate.overlap,
        "restatements": None,
        "held": False,
        "transfer_scheme": None,
        "corroborated_by": None,
        "reversal_reason": None,
    }


def at_noon(day: date) -> str:
    """Noon in UTC: the same day in every country that a sheet has."""
    return datetime.combine(day, time(12), UTC).isoformat()


def parsed(event: dict[str, object]) -> CloudEvent:
    """An event as the intake reads it. Raises pydantic's ValidationError."""
    return CloudEvent.model_validate_json(as_json(event))

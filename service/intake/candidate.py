"""From an event on the wire to a candidate for commit: assessed, hashed, placed. Pure.

Nothing is decided here that depends on what is recorded already (repeats, claims, caps).
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from uuid import UUID

import orjson

from methodologies.catalogue import Catalogue
from methodologies.contract import Assessment, DataInvalid, Refusal, UnknownActivity
from service.errors import ActivityUnknown, EventInFuture, FieldsInvalid
from service.intake.address import month_of
from service.intake.event import CloudEvent, Datum
from service.partners.caller import Caller
from service.partners.people import Hasher, PersonId
from service.settings import Settings

REGION = "region"
BACKFILL = "events:backfill"


@dataclass(frozen=True, slots=True)
class Candidate:
    """An event ready to be committed. `digest` names its content, `claims` what it would own."""

    bucket: int
    person_id: UUID
    source: str
    event_id: str
    local_day: date
    month: int
    partner: str
    activity: str
    region: str | None
    occurred_at: datetime
    evidence_level: str
    scope: str
    data: bytes
    digest: bytes
    result: Assessment | Refusal
    claims: tuple[PersonId, ...]

    @property
    def utc_offset_min(self) -> int:
        """Minutes east of UTC of the event's own clock."""
        offset = self.occurred_at.utcoffset()
        assert offset is not None
        return offset // timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Assessor:
    """What turning events into candidates needs besides the event."""

    catalogue: Catalogue
    hasher: Hasher
    settings: Settings

    def candidate(self, event: CloudEvent, caller: Caller, now: datetime) -> Candidate:
        """Check, assess and hash one event.

        Raises FieldsInvalid, ActivityUnknown, EventInFuture, or Forbidden's kinds when the event
        is not this caller's to report. An event that is too old is a candidate with a Refusal.
        """
        caller.check_source(event.source)
        level = event.evidencelevel or caller.default_level
        caller.check_level(level)
        subject = caller.subject_for(event.subject)
        settings = self.settings
        if event.time - now > timedelta(seconds=settings.ahead_seconds):
            raise EventInFuture(
                f"The event's time {event.time.isoformat()} is more than "
                f"{settings.ahead_seconds} seconds ahead of ours ({now.isoformat()}).",
                (("/time", "must not be in the future"),),
            )
        region, data = split_region(event)
        text = _canonical(data)
        day = event.time.date()
        scope = event.scope or "3+"
        if now - event.time > timedelta(days=settings.late_days) and not caller.may(BACKFILL):
            result: Assessment | Refusal = Refusal(
                "out_of_period",
                f"The event is more than {settings.late_days} days old; older ones need a key "
                f"with the scope {BACKFILL} and another event id.",
            )
        else:
            result = self.assess(event, region, level, data)
        person = self.hasher.person(subject)
        return Candidate(
            bucket=person.bucket,
            person_id=person.id,
            source=event.source,
            event_id=event.id,
            local_day=day,
            month=month_of(day),
            partner=caller.partner,
            activity=event.type,
            region=region,
            occurred_at=event.time,
            evidence_level=level,
            scope=scope,
            data=text,
            digest=sha256(
                f"{event.type}\n{event.time.isoformat()}\n{level}\n{scope}\n{region}\n".encode() + text
            ).digest(),
            result=result,
            claims=()
            if isinstance(result, Refusal)
            else tuple(self.hasher(b"claim\0", claim) for claim in result.claims),
        )

    def assess(
        self, event: CloudEvent, region: str | None, level: str, data: dict[str, Datum]
    ) -> Assessment | Refusal:
        """The methodology's answer. Raises ActivityUnknown or FieldsInvalid."""
        try:
            return self.catalogue.assess(
                event.type, region=region, day=event.time.date(), level=level, data=data
            )
        except UnknownActivity as error:
            raise ActivityUnknown(
                f"No methodology was ever published for {event.type!r}. There are: "
                f"{', '.join(sorted(self.catalogue.activities))}.",
                (("/type", "must be a known activity"),),
            ) from error
        except DataInvalid as error:
            errors = tuple((f"/data/{name}", why) for name, why in error.errors)
            raise FieldsInvalid(f"{errors[0][0]}: {errors[0][1]}.", errors) from error


def split_region(event: CloudEvent) -> tuple[str | None, dict[str, Datum]]:
    """`region` apart from the other data. Raises FieldsInvalid when it is not a text."""
    data = dict(event.data)
    region = data.pop(REGION, None)
    if region is not None and not isinstance(region, str):
        raise FieldsInvalid(
            "/data/region: must be a text such as CN or CN-BJ.",
            (("/data/region", "must be an ISO 3166-1 or 3166-2 code"),),
        )
    return region, data


def _canonical(data: dict[str, Datum]) -> bytes:
    """Data as JSON with sorted names; numbers as decimal strings, so that 12.4 equals "12.4"."""
    text = orjson.dumps(data, default=_number, option=orjson.OPT_SORT_KEYS)
    if b"\\u0000" in text and _has_nul(data):
        raise FieldsInvalid(
            "/data: a text holds the character NUL, which cannot be stored.",
            (("/data", "must not hold the character U+0000"),),
        )
    return text


def _number(value: object) -> str:
    assert isinstance(value, Decimal)
    return format(value, "f") if -30 < value.adjusted() < 30 else str(value)


def _has_nul(data: dict[str, Datum]) -> bool:
    values = [*data, *data.values()]
    return any("\0" in str(value) for value in values)

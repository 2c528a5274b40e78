"""From an event on the wire to a candidate for commit: assessed, hashed, placed. Pure.

Nothing is decided here that depends on what is recorded already (repeats, claims, caps).
"""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from methodologies.catalogue import Catalogue
from methodologies.content import canonical_data, content_digest, implied_overlap
from methodologies.contract import Assessment, DataInvalid, Edition, Refusal, UnknownActivity
from methodologies.exclusive import Exclusions
from service.customers.route import Route
from service.errors import ActivityUnknown, EventInFuture, FieldsInvalid
from service.intake.address import month_of
from service.intake.claim_key import Claim, ClaimKeys
from service.intake.event import CloudEvent, Datum
from service.intake.extent import Extent
from service.intake.local_day import EASTERNMOST_MIN, WESTERNMOST_MIN, days_at
from service.partners.caller import OWN, Caller
from service.partners.person import PersonHasher, PersonId
from service.settings import Settings

_MINUTE = timedelta(minutes=1)
REGION = "region"
OLDEST_YEAR = 1900
LEVEL = "evidencelevel"
BACKFILL = "events:backfill"
COUNTED_OVERLAPS = ("none", "merchant_s3")  # a third party's inventory does not take it from ours


class Candidate(NamedTuple):
    """An event ready to be committed; a named tuple, since one is made for every event.

    `digest` names its content, `claims` what it would own, as `owner`. `overlap` says whose
    inventory it sits in, `leg` from when to when it lasted, in seconds since 1970, and `extent`
    what it takes beside its own day, where that matters.

    `earlier` are accounts that the same event may have gone to before; so are those of the customer
    `former`. `link_id` is the consent under which a customer's event goes to a person, `waits` says
    that it goes to a waiting account, and `customer_id` who the customer is, where the account is
    not the customer's own hash.
    """

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
    utc_offset_min: int
    evidence_level: str
    scope: str
    data: bytes
    digest: bytes
    overlap: str
    leg: tuple[int, int] | None
    result: Assessment | Refusal
    claims: tuple[Claim, ...]
    extent: Extent | None = None
    earlier: tuple[PersonId, ...] = ()
    owner: UUID | None = None
    former: PersonId | None = None
    link_id: UUID | None = None
    waits: bool = False
    customer_id: UUID | None = None


class Checked(NamedTuple):
    """What an event says, once it is known to be the caller's to report and fit to be recorded.

    `text` is its data as it is hashed and stored, without the region; `age` is how long ago it was,
    `utc_offset_min` the offset of its local time in minutes.
    """

    person: PersonId
    level: str
    region: str | None
    data: dict[str, Datum]
    text: bytes
    scope: str
    overlap: str
    age: timedelta
    utc_offset_min: int


def _never_linked(_: PersonId) -> Route | None:
    return None


class Assessor:
    """What turning events into candidates needs besides the event."""

    def __init__(
        self,
        catalogue: Catalogue,
        hasher: PersonHasher,
        settings: Settings,
        exclusions: Exclusions,
        route_hint: Callable[[PersonId], Route | None] = _never_linked,
    ) -> None:
        """`route_hint` says where a customer's events go, as far as somebody remembers."""
        self._route_hint = route_hint
        self.catalogue = catalogue
        self._exclusions = exclusions
        self.hasher = hasher
        self._claim_keys = ClaimKeys(hasher, catalogue.claim_kinds)
        self.settings = settings
        self._ahead = -timedelta(seconds=settings.ahead_seconds)
        self._late = timedelta(days=settings.late_days)
        self._too_late = Refusal(
            "out_of_period",
            f"The event is more than {settings.late_days} days old; older ones need a key with the "
            f"scope {BACKFILL} and another event id.",
        )

    def candidate(self, event: CloudEvent, caller: Caller, now: datetime) -> Candidate:
        """Check, assess and hash one event.

        Raises FieldsInvalid, ActivityUnknown, EventInFuture, or Forbidden's kinds when the event
        is not this caller's to report. An event that is too old is a candidate with a Refusal.
        """
        checked = self.check(event, caller, now)
        person, level, region, data, text, scope, overlap, age, utc_offset_min = checked
        activity, at = event.type, event.time
        day = at.date()
        customer_id, link_id, former = None, None, None
        earlier: tuple[PersonId, ...] = ()
        is_customer = caller.people == OWN and caller.subject is None
        if is_customer:
            route = self._route_hint(person)
            if route is not None and route.account != person:
                customer_id, link_id, earlier = person.id, route.link_id, route.earlier
                person = route.account
        if caller.people_since is not None:
            former = self._former(event, caller)
        if age > self._late and not caller.may(BACKFILL):
            result: Assessment | Refusal = self._too_late
        else:
            result = self.assess(event, region, level, data)
        digest = content_digest(
            activity=activity,
            time=at.isoformat(),
            level=level,
            scope=scope,
            region=region,
            data=text,
            overlap=event.inventoryoverlap,
        )
        leg: tuple[int, int] | None = None
        claims: tuple[Claim, ...] = ()
        owner: UUID | None = None
        extent: Extent | None = None
        if not isinstance(result, Refusal):
            if activity in self._exclusions.legs:
                leg = self._exclusions.leg_of(activity, at, data)
            if result.claims:
                claims = self._claims(result, data, caller)
                owner = self._claim_keys.owner_of(person.id, event.source, event.id)
            if result.edition.yearly_per or activity in self._exclusions.whole_days:
                extent = self._extent(result.edition, day, data, person, caller)
        return Candidate(
            bucket=person.bucket,
            person_id=person.id,
            source=event.source,
            event_id=event.id,
            local_day=day,
            month=month_of(day),
            partner=caller.partner,
            activity=activity,
            region=region,
            occurred_at=at,
            utc_offset_min=utc_offset_min,
            evidence_level=level,
            scope=scope,
            data=text,
            digest=digest,
            overlap=overlap,
            leg=leg,
            result=result,
            claims=claims,
            extent=extent,
            earlier=earlier,
            former=former,
            link_id=link_id,
            waits=is_customer and link_id is None,
            customer_id=customer_id,
            owner=owner,
        )

    def _claims(
        self, result: Assessment, data: dict[str, Datum], caller: Caller
    ) -> tuple[Claim, ...]:
        return tuple(
            self._claim_keys.of(
                one, environment=caller.environment, partner=caller.partner, data=data
            )
            for one in result.claims
        )

    def _former(self, event: CloudEvent, caller: Caller) -> PersonId | None:
        """Whose an event was before the partner's people changed, if it may be of that time."""
        realm = caller.earlier_realm()
        if realm is None or caller.people_since is None:
            return None
        if event.time > caller.people_since - self._ahead:
            return None
        return self.hasher.person(realm + event.subject)

    def check(self, event: CloudEvent, caller: Caller, now: datetime) -> Checked:
        """What both recording an event and estimating it ask of it, before it is assessed.

        Raises FieldsInvalid, EventInFuture, or Forbidden's kinds when the event is not this
        caller's to report. How old it may be is not asked here: an estimate may be of any day.
        """
        caller.check_source(event.source)
        level = event.evidencelevel or caller.default_level
        caller.check_level(level)
        person = self.hasher.person(caller.subject_for(event.subject))
        age = now - event.time
        if age < self._ahead or event.time.year < OLDEST_YEAR:
            self._refuse_time(event.time, now)
        region, data = split_region(event)
        utc_offset_min = offset_of(event.time)
        check_local_day(event.time, utc_offset_min, region)
        text = canonical_data(data)
        if b"\\u0000" in text:
            _refuse_nul(data)
        scope, overlap = scope_of(event)
        return Checked(person, level, region, data, text, scope, overlap, age, utc_offset_min)

    def _refuse_time(self, at: datetime, now: datetime) -> None:
        if now - at < self._ahead:
            raise EventInFuture(
                f"The event's time {at.isoformat()} is more than {self.settings.ahead_seconds} "
                f"seconds ahead of ours ({now.isoformat()}).",
                (("/time", "must not be in the future"),),
            )
        if at.year < OLDEST_YEAR:
            raise FieldsInvalid(
                f"/time: the year must be {OLDEST_YEAR} or later.",
                (("/time", f"must be in the year {OLDEST_YEAR} or later"),),
            )

    def _extent(
        self,
        edition: Edition,
        day: date,
        data: dict[str, Datum],
        person: PersonId,
        caller: Caller,
    ) -> Extent:
        """A thing that the event does not name is the person's own: nobody has two such years."""
        thing = None
        if edition.yearly_per is not None:
            named = data.get(edition.yearly_per)
            owner = f"{edition.yearly_per}:{named}" if named else f"person:{person.id}"
            thing = self.hasher(b"year\0", f"{caller.environment}{edition.id}:{owner}")
        return Extent(self._exclusions.days_of(edition.activity, day, data), thing)

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
            errors = tuple(
                (f"/{name}" if name == LEVEL else f"/data/{name}", why)
                for name, why in error.errors
            )
            raise FieldsInvalid(f"{errors[0][0]}: {errors[0][1]}.", errors) from error


def offset_of(at: datetime) -> int:
    """Return the offset of a time from UTC, in minutes."""
    offset = at.utcoffset()
    assert offset is not None
    return offset // _MINUTE


def check_local_day(at: datetime, utc_offset_min: int, region: str | None) -> None:
    """Raise FieldsInvalid unless the event's local day is one that it was then in its region.

    Days are capped: with an offset of one's own choice one instant would be of three days.
    """
    if not WESTERNMOST_MIN <= utc_offset_min <= EASTERNMOST_MIN:
        raise FieldsInvalid(
            "/time: an offset is between -12:00 and +14:00. Send that of the place.",
            (("/time", "must have an offset from -12:00 to +14:00"),),
        )
    days = days_at(region, at, utc_offset_min) if region else ()
    if days and at.date() not in days:
        shown = " or ".join(map(str, days))
        raise FieldsInvalid(
            f"/time: with this offset the local day is {at.date()}, but at that moment it was "
            f"{shown} in {region}. Send the time with the offset of the place.",
            (("/time", f"must be of the local day of {region}: {shown}"),),
        )


def scope_of(event: CloudEvent) -> tuple[str, str]:
    """(scope, overlap): what sits in the operator's own inventory has scope 3, all else 3+.

    Raises FieldsInvalid when the two contradict each other.
    """
    scope, overlap = event.scope, event.inventoryoverlap
    if overlap is None:
        scope = scope or "3+"
        return scope, implied_overlap(scope)
    implied = "3+" if overlap in COUNTED_OVERLAPS else "3"
    if scope not in (None, implied):
        raise FieldsInvalid(
            f"/inventoryoverlap: {overlap} goes with scope {implied}, not with {scope}.",
            (("/inventoryoverlap", f"goes with scope {implied}; leave one of the two out"),),
        )
    return implied, overlap


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


def _refuse_nul(data: dict[str, Datum]) -> None:
    """Raises FieldsInvalid when a text holds NUL, which the database cannot store as text."""
    for name, value in data.items():
        parts = value if isinstance(value, list) else [value]
        words = [
            word for part in parts for word in (part.values() if isinstance(part, dict) else [part])
        ]
        if any(isinstance(word, str) and "\0" in word for word in words):
            raise FieldsInvalid(
                f"/data/{name}: a text holds the character NUL, which cannot be stored.",
                ((f"/data/{name}", "must not hold the character U+0000"),),
            )

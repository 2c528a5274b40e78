"""The caller of a request, and what it may do. Pure."""

from dataclasses import dataclass
from datetime import datetime

from service.errors import (
    FieldsInvalid,
    LevelNotYours,
    PersonNotYours,
    ScopeMissing,
    SourceNotYours,
    SubjectNotYours,
)

EPOCH_MARK = "#"  # no partner's id holds it
AUDITOR = "auditor"
LEVELS = ("L0", "L1", "L2", "L3", "L4")
KEY_STATES = "L1"  # a partner's own record: the highest level that anybody states
PERSON_STATES = "L0"  # self-declared
OWN, PROGRAMME = "own", "programme"  # whose people a partner's subjects are
ACT = "people:act"


@dataclass(frozen=True, slots=True)
class Caller:
    """A partner by its key, or a person (`subject` is set) who reports under the app's source.

    `name` is stable and unique, and has a person only by their keyed hash: it stands in Valkey's
    keys of quotas and separates idempotency keys.
    `environment` is empty, and in the sandbox a name of the partner's own: it stands before all
    that is hashed. `people` says whose people the subjects are that a key names, and
    `people_since` when that changed last.
    """

    name: str
    partner: str
    scopes: frozenset[str]
    sources: frozenset[str]
    default_level: str
    max_level: str
    subject: str | None = None
    quota_per_minute: int = 0  # 0 is no quota
    environment: str = ""
    people: str = OWN
    people_since: datetime | None = None
    key: str = ""  # the prefix of the key that is used; a person has none

    @property
    def is_test(self) -> bool:
        """Whether this is a test key, whose environment is the sandbox."""
        return self.environment != ""

    @property
    def owner(self) -> str:
        """The registered partner; in the sandbox `partner` also carries the epoch of its data."""
        return self.partner.partition(EPOCH_MARK)[0]

    @property
    def realm(self) -> str:
        """What stands before a subject that a key names: two partners' customers do not meet."""
        return f"{self.partner}\0" if self.people == OWN else self.environment

    def earlier_realm(self) -> str | None:
        """Return the realm of before the partner's people changed, or None when they never did."""
        realm = self.environment if self.people == OWN else f"{self.partner}\0"
        return None if self.people_since is None or realm == self.realm else realm

    def need(self, *scopes: str) -> None:
        """Raise ScopeMissing unless this caller may do what one of the scopes stands for.

        Raises PersonNotYours when it is only its people that keep it from that.
        """
        if any(map(self.may, scopes)):
            return
        if ACT in scopes and self.holds(ACT):
            self.need_people()
        wanted = " or ".join(scopes)
        raise ScopeMissing(f"This needs the scope {wanted}; the key has {_listed(self.scopes)}.")

    def need_people(self) -> None:
        """Raise PersonNotYours for a key of a partner whose subjects are its own customers."""
        if self.subject is None and self.people == OWN:
            raise PersonNotYours(
                "Your subjects are customers of your own (`people: own`), so you act for nobody: "
                "people spend, collect and give with their own token. `POST /v1/links` links a "
                "customer to a person."
            )

    def need_customers(self) -> None:
        """Raise PersonNotYours for a partner that names people of the programme itself."""
        if self.people != OWN:
            raise PersonNotYours(
                "Your subjects are people of the programme already (`people: programme`): there is "
                "no customer of your own to link."
            )

    def need_to_act(self) -> None:
        """Raise ScopeMissing or PersonNotYours unless the caller may act for a person.

        People act for themselves, and the programme's app operator for everybody.
        """
        self.need(ACT)

    def need_key(self) -> None:
        """Raise ScopeMissing for a person: this is for partners alone."""
        if self.subject is not None:
            self.need("a partner's key")

    def may(self, scope: str) -> bool:
        """Return whether this caller may do what `scope` stands for.

        Nobody acts for people but they themselves and the app's operator.
        """
        return self.holds(scope) and (scope != ACT or self.people == PROGRAMME)

    def holds(self, scope: str) -> bool:
        """Return whether the key has `scope`, of use or not; `admin` holds all but `auditor`."""
        return scope in self.scopes or ("admin" in self.scopes and scope != AUDITOR)

    def check_source(self, source: str) -> None:
        """Raise SourceNotYours unless `source` is registered for this caller."""
        if source not in self.sources:
            raise SourceNotYours(
                f"The source {source!r} is not yours; you report as {_listed(self.sources)}.",
                (("/source", f"must be one of {_listed(self.sources)}"),),
            )

    def check_level(self, level: str) -> None:
        """Raise LevelNotYours for a level above what this caller may state."""
        if level > self.max_level:
            raise LevelNotYours(
                f"You may state evidence levels up to {self.max_level}, not {level}. L1 is a "
                "partner's own record; L2 follows when a second, independent partner reports the "
                "same ride or invoice; L3 and L4 follow from an auditor's statement. Leave the "
                "attribute out.",
                (("/evidencelevel", f"must be {self.max_level} or lower"),),
            )

    def somebody(self, subject: str) -> str:
        """Return another person than the one who is acted for, in the caller's own environment."""
        return self.realm + _checked(subject)

    def subject_for(self, subject: str) -> str:
        """Return the subject that `subject` stands for: `me` is the token's person.

        Raises SubjectNotYours when a person names anybody else.
        """
        if self.subject is None:
            if subject == "me":
                raise SubjectNotYours(
                    "`me` stands for a person's token; with an API key, name the subject."
                )
            return self.realm + _checked(subject)
        if subject not in ("me", self.subject):
            raise SubjectNotYours(
                "A person's token reports and sees only that person.",
                (("/subject", "must be the token's own subject, or `me`"),),
            )
        return self.subject

    def subjects_for(self, subject: str) -> tuple[str, ...]:
        """Return what `subject` stands for, and what it stood for before the people changed."""
        realm = self.earlier_realm()
        earlier = () if realm is None else (realm + _checked(subject),)
        return (self.subject_for(subject), *earlier)


def _checked(subject: str) -> str:
    """Return the subject. Raises FieldsInvalid for one that could pass for another realm's."""
    if "\0" in subject:
        raise FieldsInvalid(
            "/subject: must not hold the character NUL.",
            (("/subject", "must not hold the character U+0000"),),
        )
    return subject


def _listed(names: frozenset[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"

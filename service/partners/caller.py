"""The caller of a request, and what it may do. Pure."""

from dataclasses import dataclass

from service.errors import LevelNotYours, ScopeMissing, SourceNotYours, SubjectNotYours

EPOCH_MARK = "#"  # no partner's id holds it
LEVELS = ("L0", "L1", "L2", "L3", "L4")
KEY_STATES = "L1"  # a partner's own record: the highest level that anybody states
PERSON_STATES = "L0"  # self-declared


@dataclass(frozen=True, slots=True)
class Caller:
    """A partner by its key, or a person (`subject` is set) who reports under the app's source.

    `name` is stable and unique: it separates idempotency keys and is stored with actions.
    """

    name: str
    partner: str
    scopes: frozenset[str]
    sources: frozenset[str]
    default_level: str
    max_level: str
    subject: str | None = None
    quota_per_minute: int = 0  # 0 is no quota
    realm: str = ""  # in the sandbox a name of the partner's own, before all that is hashed
    key: str = ""  # the prefix of the key that is used; a person has none

    @property
    def is_test(self) -> bool:
        """Whether this is a test key, whose environment is the sandbox."""
        return self.realm != ""

    @property
    def owner(self) -> str:
        """The registered partner; in the sandbox `partner` also carries the epoch of its data."""
        return self.partner.partition(EPOCH_MARK)[0]

    def need(self, scope: str) -> None:
        """Raise ScopeMissing unless this caller holds `scope` (`admin` holds every scope)."""
        if scope not in self.scopes and "admin" not in self.scopes:
            raise ScopeMissing(f"This needs the scope {scope}; the key has {_listed(self.scopes)}.")

    def need_key(self) -> None:
        """Raise ScopeMissing for a person: this is for partners alone."""
        if self.subject is not None:
            self.need("a partner's key")

    def check_reported(self, source: str) -> None:
        """Raise SourceNotYours for a person and an action that somebody else reported."""
        if self.subject is not None:
            self.check_source(source)

    def may(self, scope: str) -> bool:
        """Return whether this caller holds `scope`."""
        return scope in self.scopes or "admin" in self.scopes

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
        return self.realm + subject

    def subject_for(self, subject: str) -> str:
        """Return the subject that `subject` stands for: `me` is the token's person.

        Raises SubjectNotYours when a person names anybody else.
        """
        if self.subject is None:
            if subject == "me":
                raise SubjectNotYours(
                    "`me` stands for a person's token; with an API key, name the subject."
                )
            return self.realm + subject
        if subject not in ("me", self.subject):
            raise SubjectNotYours(
                "A person's token reports and sees only that person.",
                (("/subject", "must be the token's own subject, or `me`"),),
            )
        return self.subject


def _listed(names: frozenset[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"

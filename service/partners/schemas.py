"""Wire shapes of partners and their keys."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from service.partners.caller import Caller
from service.partners.keys import SCOPES
from service.partners.register import PARTNER_ID, SOURCES_MAX
from service.partners.tables import ApiKey, Partner

Mode = Literal["live", "test"]
People = Literal["own", "programme"]
Scope = Literal[
    "events:write", "events:backfill", "actions:read", "webhooks:manage", "people:act",
    "keys:manage", "auditor", "operator", "admin",
]  # fmt: skip
assert set(Scope.__args__) == set(SCOPES)  # type: ignore[attr-defined]  # a Literal knows its own
_PRINTABLE = r"^[^\x00-\x1f\x7f]+$"
Name = Annotated[str, Field(min_length=1, max_length=128, pattern=_PRINTABLE)]
SourceName = Annotated[str, Field(min_length=1, max_length=64, pattern=_PRINTABLE)]


class KeyView(BaseModel):
    """A key without its secret. `last_used_at` is up to a minute behind."""

    prefix: str
    mode: Mode
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    replaces: str | None = Field(description="The key that this one was made to replace.")
    made_by: str | None = Field(description="The key of yours that made it.")


class ShownKey(BaseModel):
    """A key just made. `key` is shown this once: only its hash is stored."""

    prefix: str
    mode: Mode
    key: str


class Proposed(BaseModel):
    """The change waits for somebody else: POST /v1/proposals/{proposal_id}/confirm."""

    proposal_id: UUID
    expires_at: datetime = Field(description="Nobody can confirm it from then on.")


class NewOwnKey(BaseModel):
    """A key to make; its mode is that of the key in use."""

    model_config = ConfigDict(extra="forbid")
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=len(SCOPES))]
    days: Annotated[int | None, Field(ge=1, le=3650, description="Days until it expires.")] = None


class ProposedKey(ShownKey, Proposed):
    """A key of an administrator: it opens nothing until somebody else has confirmed it."""


class RevokedKeys(BaseModel):
    """The prefixes of keys just revoked: the one that was named, and all that came of it."""

    revoked: list[str]


class RotatedKey(ShownKey):
    """The successor of a key, when it expires, and when the old one ends."""

    replaces: str
    expires_at: datetime | None
    old_key_ends_at: datetime


class PartnerView(BaseModel):
    """A partner and the sources that it reports under."""

    partner: str
    name: str
    sources: list[str]
    people: People = Field(
        description="Whose people its subjects are: its own customers, or the programme's."
    )
    people_since: datetime | None = Field(description="When that changed last; null: never.")
    created_at: datetime
    disabled_at: datetime | None


class MeView(PartnerView):
    """The caller's own partner, and what the key in use is."""

    mode: Mode
    scopes: list[str]


class NewPartner(BaseModel):
    """A partner to register."""

    model_config = ConfigDict(extra="forbid")
    partner: Annotated[str, Field(pattern=PARTNER_ID, examples=["golden-wok"])]
    name: Name | None = None
    sources: Annotated[list[SourceName], Field(max_length=SOURCES_MAX)] = []
    people: People = "own"


class RegisteredPartner(PartnerView):
    """A partner just registered, with its first keys. They are shown this once."""

    live_key: ShownKey
    test_key: ShownKey
    proposal: Proposed | None = Field(
        default=None, description="That `people` become those of the programme waits for a second."
    )


class PartnerChange(BaseModel):
    """What to change; what is left out stays."""

    model_config = ConfigDict(extra="forbid")
    disabled: bool | None = None
    people: People | None = None
    add_sources: Annotated[list[SourceName], Field(max_length=SOURCES_MAX)] = []


class Rotation(BaseModel):
    """How a key is replaced."""

    model_config = ConfigDict(extra="forbid")
    overlap_hours: Annotated[int, Field(ge=0, le=720)] = 24
    days: Annotated[int | None, Field(ge=1, le=3650, description="Shorten the new key's life.")] = (
        None
    )


def key_view(key: ApiKey) -> KeyView:
    """Return a stored key for the wire."""
    return KeyView(
        prefix=key.prefix,
        mode="test" if key.is_test else "live",
        scopes=key.scopes,
        created_at=key.created_at,
        expires_at=key.ends_at,
        revoked_at=key.revoked_at,
        last_used_at=key.last_used_at,
        replaces=key.replaces,
        made_by=key.made_by,
    )


def partner_fields(partner: Partner, sources: list[str]) -> dict[str, object]:
    """Return the fields of a PartnerView."""
    return {
        "partner": partner.partner,
        "name": partner.name,
        "sources": sources,
        "people": partner.people,
        "people_since": partner.people_since,
        "created_at": partner.created_at,
        "disabled_at": partner.disabled_at,
    }


def mode_of(caller: Caller) -> Mode:
    """Return the word for the environment that a caller speaks in."""
    return "test" if caller.is_test else "live"

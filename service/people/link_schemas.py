"""Wire shapes of links."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

_PRINTABLE = r"^[^\x00-\x1f\x7f]+$"
Customer = Annotated[
    str,
    Field(
        min_length=1,
        max_length=128,
        pattern=_PRINTABLE,
        description="Your own customer number, as your events name it in `subject`.",
    ),
]
Scenario = Annotated[
    str,
    Field(
        min_length=1,
        max_length=128,
        pattern=_PRINTABLE,
        description="What you report, in words for the person.",
        examples=["orders without cutlery"],
    ),
]
Code = Annotated[str, Field(min_length=1, max_length=32, examples=["7KQ2M-9XD4T"])]


class NewLink(BaseModel):
    """Which customer to ask about; `scenario` is by default the partner's name."""

    model_config = ConfigDict(extra="forbid")
    customer: Customer
    scenario: Scenario | None = None


class LinkAsked(BaseModel):
    """What the person is shown: a code for their app, good for ten minutes, and an address."""

    code: str
    url: str | None = Field(
        description="An https address to show as a link or a square code; null without "
        "SAXAUL_PUBLIC_URL."
    )
    expires_at: datetime
    person: UUID = Field(
        description="How webhooks name this customer to you, linked or not; to others, differently."
    )


class CustomerState(BaseModel):
    """Whether a customer of yours is linked to a person; not to whom."""

    customer: str
    linked: bool
    person: UUID = Field(description="How webhooks name this customer to you.")


class GivenCode(BaseModel):
    """A code that a partner showed the person."""

    model_config = ConfigDict(extra="forbid")
    code: Code


class LinkPreview(BaseModel):
    """What a code asks for. The person is shown all of it before they agree."""

    partner: str
    partner_name: str
    scenario: str
    text_version: str
    text: str
    expires_at: datetime


class LinkView(BaseModel):
    """A person's consent that a partner's customer is them."""

    link_id: UUID
    partner: str
    partner_name: str
    scenario: str
    text_version: str
    linked_at: datetime
    ended_at: datetime | None


class NewLinkView(LinkView):
    """A link just made: points that moved to the person, and points that a cap let lapse."""

    moved_points: int
    lapsed_points: int

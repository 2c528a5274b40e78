"""Wire shapes of audit events."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from service.audit.tables import AuditEvent

Digest = str | None


class ActorView(BaseModel):
    """Who acted: the prefix of a key, the hash of a person, an operator's login, a worker's job."""

    kind: Literal["key", "person", "operator", "worker", "nobody"]
    id: str
    partner: str | None


class AuditEventView(BaseModel):
    """One act. The digests are SHA-256 of canonical JSON of all that was there before and after."""

    event_id: UUID
    recorded_at: datetime
    actor: ActorView
    address: str | None = Field(description="The network address that the request came from.")
    request_id: str | None
    act: str = Field(description="What was done, as partner.disabled.", examples=["key.revoked"])
    target: str = Field(description="What it was done to.", examples=["partner:golden-wok"])
    before_sha256: Digest
    after_sha256: Digest
    changes: dict[str, Any] = Field(
        description="Each field that differs, with its value before and after."
    )


def view_of(event: AuditEvent) -> AuditEventView:
    """Return an audit event for the wire."""
    return AuditEventView.model_validate(
        {
            **{name: getattr(event, name) for name in _SAME},
            "actor": {"kind": event.actor_kind, "id": event.actor, "partner": event.partner},
            "before_sha256": event.before_sha256 and event.before_sha256.hex(),
            "after_sha256": event.after_sha256 and event.after_sha256.hex(),
        }
    )


_SAME = ("event_id", "recorded_at", "address", "request_id", "act", "target", "changes")

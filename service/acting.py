"""Who acts in the task that runs, and from where: an audit event says it of its author. Pure."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal

ActorKind = Literal["key", "person", "operator", "worker", "nobody"]


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody whose acts are written down.

    `id` is the prefix of a key, the keyed hash of a person, the login of an operator at the command
    line, or the name of a worker's job. `partner` is the one that a key belongs to.
    """

    kind: ActorKind
    id: str
    partner: str | None = None


NOBODY = Actor("nobody", "unknown")  # whose credential was not accepted
_ACTOR: ContextVar[Actor | None] = ContextVar("saxaul_actor", default=None)
_ADDRESS: ContextVar[str | None] = ContextVar("saxaul_address", default=None)


@contextmanager
def acting(actor: Actor | None, address: str | None = None) -> Iterator[None]:
    """Act as `actor` from a network address within the block; None: who it is comes out later."""
    before = _ACTOR.set(actor), _ADDRESS.set(address)
    try:
        yield
    finally:
        _ACTOR.reset(before[0])
        _ADDRESS.reset(before[1])


def act_as(actor: Actor) -> None:
    """Say who acts, once a request's credential was accepted; it holds until the request ends."""
    _ACTOR.set(actor)


def this_actor() -> Actor:
    """Return who acts. That nobody said so is a bug: an act would have no author."""
    found = _ACTOR.get()
    assert found is not None, "say who acts: `with acting(...)`, or depend on the caller"
    return found


def this_address() -> str | None:
    """Return the network address that the request came from; None where there is no request."""
    return _ADDRESS.get()

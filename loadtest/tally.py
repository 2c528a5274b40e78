"""The tally of a run: what became of every event and order that was sent. Standard library only."""

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

RECORDED = ("credited", "capped", "zero")  # what the public totals count
OUTCOMES = (*RECORDED, "refused", "already_claimed", "duplicate")
COUNTS = ("sent", "problems", "unavailable", "lost")
NAMED = re.compile(rb'"(?:action|order)_id":"([0-9a-f-]{36})"')


@dataclass(slots=True)
class Tally:
    """What became of the events that were sent, by the answers to them.

    `sent` are the events in the requests, `outcomes` what the answers say of them; `lost` are
    events without an answer, which may or may not be recorded. `facts` are the ids of all actions
    and orders that answers name, for a comparison with webhooks; None keeps none.
    """

    sent: int = 0
    problems: int = 0
    unavailable: int = 0
    lost: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    orders: Counter[str] = field(default_factory=Counter)
    facts: set[str] | None = None

    def add_batch(self, events: int, status: int, body: bytes) -> None:
        """This counts the answer to a batch of `events` events."""
        if status != 200:
            self._add_failure(events, status)
            return
        self.sent += events
        self._note_facts(body)
        counts = counts_of(body)
        self.problems += counts.pop("problem", 0)
        self.outcomes.update(counts)

    def add_single(self, status: int, body: bytes) -> None:
        """This counts the answer to one event."""
        if status not in (200, 201):
            self._add_failure(1, status)
            return
        self.sent += 1
        self._note_facts(body)
        if b'"duplicate":true' in body:
            self.outcomes["duplicate"] += 1
        else:
            self.outcomes[body.partition(b'"outcome":"')[2].partition(b'"')[0].decode()] += 1

    def add_order(self, status: int, body: bytes) -> None:
        """This counts the answer to an order: placed, lost, or the name of its problem."""
        if status == 201:
            self._note_facts(body)
            self.orders["placed"] += 1
        elif status == 0:
            self.orders["lost"] += 1
        else:
            self.orders[body.partition(b'"/problems/')[2].partition(b'"')[0].decode()] += 1

    def add(self, other: "Tally") -> None:
        """This adds what another tally counted."""
        for name in COUNTS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.outcomes.update(other.outcomes)
        self.orders.update(other.orders)
        if self.facts is not None and other.facts is not None:
            self.facts |= other.facts

    def clear(self) -> None:
        """This starts again from nothing."""
        self.sent = self.problems = self.unavailable = self.lost = 0
        self.outcomes.clear()
        self.orders.clear()
        if self.facts is not None:
            self.facts.clear()

    def _note_facts(self, body: bytes) -> None:
        if self.facts is not None:
            self.facts.update(name.decode() for name in NAMED.findall(body))

    def _add_failure(self, events: int, status: int) -> None:
        if status == 0:
            self.lost += events
            return
        self.sent += events
        if status == 503:
            self.unavailable += events
        else:
            self.problems += events

    @property
    def accepted(self) -> int:
        """Events that were taken: all but those with a problem or sent away."""
        return self.sent - self.problems - self.unavailable

    @property
    def recorded(self) -> int:
        """Events that must now be in the public totals."""
        return sum(self.outcomes[name] for name in RECORDED)

    def as_dict(self) -> dict[str, object]:
        """The tally as values of JSON, from which `from_dict` makes it again."""
        return {
            **{name: getattr(self, name) for name in COUNTS},
            "outcomes": dict(self.outcomes),
            "orders": dict(self.orders),
            "facts": None if self.facts is None else sorted(self.facts),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Tally":
        """The tally that `as_dict` made the values of."""
        return cls(
            **{name: values[name] for name in COUNTS},
            outcomes=Counter(values["outcomes"]),
            orders=Counter(values["orders"]),
            facts=None if values["facts"] is None else set(values["facts"]),
        )


def counts_of(body: bytes) -> dict[str, int]:
    """`counts` of a batch's answer; read from its end where it can be, since that is cheap."""
    at = body.rfind(b'"counts":')
    try:
        found = json.loads(body[at + len(b'"counts":') : -1])
    except ValueError:
        found = json.loads(body)["counts"]
    return dict(found)

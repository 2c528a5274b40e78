"""The whole audit of a run, once everything that was answered had time to arrive."""

from collections.abc import Collection

from loadtest.audit import Check, check_delivered, check_identity, check_totals, run_reconcile
from loadtest.receiver import Receiver
from loadtest.system import System
from loadtest.tally import Tally

SETTLE_S = 60.0
DELIVER_S = 180.0  # what a receiver did not answer well comes again within some ten seconds


def audit_run(
    system: System,
    tally: Tally,
    *,
    before: int,
    receiver: Receiver | None = None,
    seeded: Collection[str] = (),
) -> list[Check]:
    """The checks of a run: outcomes, public totals, webhooks if there is a receiver, reconcile.

    `before` are the actions in the totals before the run, `seeded` the facts that were recorded for
    it before these were counted.
    """
    after = system.settled_actions(before + tally.recorded, seconds=SETTLE_S)
    checks = [
        check_identity(tally),
        check_totals(tally, before=before, after=after, alone=system.alone),
    ]
    if receiver is not None and tally.facts is not None:
        facts = tally.facts.union(seeded)
        came = receiver.settled(facts, seconds=DELIVER_S)
        checks.append(check_delivered(facts, came, exact=system.alone and tally.lost == 0))
    return [*checks, run_reconcile(system.home)]

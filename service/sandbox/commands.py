"""`saxaul partner wipe-test`: calls the use case and shows what it did."""

from service.local import local_resources, run
from service.partners import store
from service.partners.commands import Id, no_such_partner
from service.resources import SANDBOX
from service.sandbox.wipe import note_wipe, wipe
from service.terminal import out


def wipe_test(partner: Id) -> None:
    """Delete what a partner recorded with test keys. Live data is not touched."""

    async def work() -> int | None:
        async with local_resources() as resources, resources.sessions() as session, session.begin():
            epoch = await store.next_epoch(session, partner)
            if epoch is not None:
                await note_wipe(session, partner, epoch, now=resources.clock())
        if epoch is None:
            return None
        async with (
            local_resources(schema=SANDBOX) as sandbox,
            sandbox.sessions() as session,
            session.begin(),
        ):
            return await wipe(session, partner, epoch)

    actions = run(work())
    if actions is None:
        raise no_such_partner(partner)
    out.print(f"{actions} test actions of {partner} are gone; its test totals start at zero.")

"""`saxaul partner confirm`: lets another key answer for a connector or an endpoint."""

from typing import Annotated
from uuid import UUID

import typer

from service.local import local_resources, run
from service.partners import store as partners
from service.partners.caller import EPOCH_MARK
from service.partners.commands import Id
from service.partners.keys import Succession
from service.resources import SANDBOX, Resources
from service.terminal import fail, out
from service.webhooks.inbound import connectors
from service.webhooks.outbound import endpoint as endpoints

CONNECTOR = "con_"


def confirm(
    partner: Id,
    what: Annotated[str, typer.Argument(help="The id of a connector (con_...) or an endpoint.")],
    key: Annotated[
        str, typer.Argument(help="The prefix of the partner's key that answers for it.")
    ],
) -> None:
    """Let another key answer for a connector or an endpoint, as after a key was revoked."""
    run(_confirm(partner, what, key))
    out.print(f"The key {key} answers for {what} from now on.", highlight=False)


async def _confirm(partner: str, what: str, prefix: str) -> None:
    async with local_resources() as resources:
        async with resources.sessions() as session:
            known = await partners.find_key(session, prefix)
            succession = await partners.succession_of(session, prefix)
        if known is None or known.partner != partner:
            raise fail(f"{partner!r} has no key {prefix!r}; see `saxaul partner show {partner}`.")
        if not known.is_test:
            await _answer(resources, partner, what, prefix, succession)
            return
        async with local_resources(schema=SANDBOX) as sandbox:
            # There an endpoint's partner carries the epoch of its data.
            name = (
                partner
                if what.startswith(CONNECTOR)
                else f"{partner}{EPOCH_MARK}{known.test_epoch}"
            )
            await _answer(sandbox, name, what, prefix, succession)


async def _answer(
    resources: Resources, partner: str, what: str, prefix: str, succession: Succession
) -> None:
    now = resources.clock()
    is_connector = what.startswith(CONNECTOR)
    scope = connectors.REPORTS if is_connector else endpoints.MANAGES
    if not succession.may(scope, now):
        raise fail(f"the key {prefix} is not live, or lacks {scope}: it cannot answer for {what}.")
    async with resources.sessions() as session, session.begin():
        if is_connector:
            await connectors.confirm(session, partner, what, prefix, now=now)
        else:
            found = await endpoints.find(session, partner, _id(what), lock=True)
            await endpoints.confirm_endpoint(session, found, prefix, now=now)


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise fail(f"{text!r} is the id of neither a connector nor an endpoint.") from error

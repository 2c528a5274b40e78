"""`saxaul partner confirm` and `saxaul secrets`: call use cases and show what they did."""

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
from service.webhooks.inbound.store import MessageKey
from service.webhooks.outbound import endpoint as endpoints
from service.webhooks.reseal import Resealed, note_reseal, reseal_messages, reseal_secrets
from service.webhooks.vault import SealBroken, vault_of

CONNECTOR = "con_"
secrets_app = typer.Typer(
    help="Secrets of webhooks, sealed under SAXAUL_SECRET_KEY.", no_args_is_help=True
)


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


@secrets_app.callback()
def _secrets() -> None:
    """Secrets of webhooks, sealed under SAXAUL_SECRET_KEY."""


@secrets_app.command()
def reseal() -> None:
    """Seal all anew under the first key of SAXAUL_SECRET_KEY=NEW,OLD, so that OLD can go.

    Before it, restart API and worker with both keys; after it, with the new one alone. It can be
    run again.
    """
    try:
        done = run(_reseal())
    except SealBroken as error:
        raise fail(error) from error
    out.print(
        f"Sealed anew: {done.endpoints} endpoints, {done.connectors} connectors and "
        f"{done.messages} messages in quarantine. The old key is needed no more."
    )


async def _reseal() -> Resealed:
    done = Resealed()
    for schema in (SANDBOX, None):
        async with local_resources(schema=schema) as resources:
            vault = vault_of(resources.settings)
            place: MessageKey | None = MessageKey()
            while place is not None:
                async with resources.sessions() as session, session.begin():
                    place = await reseal_messages(session, vault, done, place)
            async with resources.sessions() as session, session.begin():
                await reseal_secrets(session, vault, done)
                if schema is None:
                    await note_reseal(session, done, now=resources.clock())
    return done

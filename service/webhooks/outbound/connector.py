"""Connections that webhooks leave by: each goes to an address that was checked.

A name is resolved once for a connection, all of its answers must be allowed, and one of those very
answers is used.
"""

import socket
from typing import Any

from aiohttp import TCPConnector
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from service.webhooks.outbound.address import AddressFilter

IDLE_S = 4.0  # shorter than the usual servers keep a connection, so that we end it and not they


class CheckedResolver(AbstractResolver):
    """Resolves names, and refuses a name that has any answer where no webhook may go."""

    def __init__(self, address_filter: AddressFilter, resolver: AbstractResolver) -> None:
        self._addresses = address_filter
        self._resolver = resolver

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return all answers, each allowed. Raises AddressRefused."""
        found = await self._resolver.resolve(host, port, family)
        for one in found:
            self._addresses.check(one["host"])
        return found

    async def close(self) -> None:
        """Close the resolver that this one asks."""
        await self._resolver.close()


def open_connector(
    *, loopback: bool, limit: int, resolver: AbstractResolver | None = None
) -> TCPConnector:
    """Return a pool whose every connection goes to an address that was checked.

    The check is made twice: on all answers for a name, and on the address that a socket is made
    for, which also sees addresses that stood in the URL.
    """
    address_filter = AddressFilter(loopback=loopback)

    def make_socket(info: Any) -> socket.socket:
        family, kind, protocol, _, address = info
        address_filter.check(str(address[0]))
        made = socket.socket(family, kind, protocol)
        made.setblocking(False)
        return made

    return TCPConnector(
        resolver=CheckedResolver(address_filter, resolver or ThreadedResolver()),
        use_dns_cache=False,
        socket_factory=make_socket,
        limit=limit,
        keepalive_timeout=IDLE_S,
    )

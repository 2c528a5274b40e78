"""What strangers may hold open, and for how long. No HTTP is parsed here.

A connection says what it waits for and until when; `sweep` closes those that are over their time.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Protocol

KIB = 1024
_IPV6_SITE_BITS = 64  # who has one IPv6 address usually has all of its /64


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What one connection, and all connections of one address, may take of an API process.

    A body of more than `body_bytes` is answered with 413 by `bodies`; what still comes of it is
    read and dropped, up to twice as much: most clients listen only when they have sent all.
    """

    head_bytes: int = 16 * KIB
    head_s: float = 10.0
    body_bytes: int = 4 * KIB * KIB
    body_s: float = 60.0
    unread_s: float = 60.0
    linger_s: float = 2.0
    pipelined: int = 16
    address_connections: int = 256

    @property
    def dropped_bytes(self) -> int:
        """How much of a body is read before the connection is closed."""
        return 2 * self.body_bytes


class Waiting(Protocol):
    """A connection, as far as its limits have to know it."""

    def overdue(self, now: float) -> None:
        """Close the connection if it has waited for too long."""


class Connections:
    """Counts the connections of each address, and looks for those that take too long.

    `clock` returns seconds. `refused` is called with the code of the problem of each refusal.
    Connections of `trusted` proxies are not counted: each of them stands for many people.
    """

    def __init__(
        self,
        limits: ConnectionLimits,
        *,
        trusted: str,
        clock: Callable[[], float],
        refused: Callable[[str], None],
    ) -> None:
        self.limits = limits
        self.clock = clock
        self.refused = refused
        self._trusted = tuple(ip_network(one, strict=False) for one in proxies(trusted))
        self._open: Counter[str] = Counter()

    def enter(self, host: str) -> str | None:
        """Count a connection from `host`; return what to `leave` by, None if there is no room.

        What is returned for a trusted proxy is empty.
        """
        site = site_of(host)
        if self._trusted and self._is_trusted(host):
            return ""
        if self._open[site] >= self.limits.address_connections:
            return None
        self._open[site] += 1
        return site

    def _is_trusted(self, host: str) -> bool:
        try:
            address = ip_address(host)
        except ValueError:  # the peer of a Unix socket
            return False
        return any(address in network for network in self._trusted)

    def leave(self, site: str) -> None:
        """Take one connection of an address from the count."""
        if site:
            self._open[site] -= 1
            if not self._open[site]:
                del self._open[site]

    def open_from(self, host: str) -> int:
        """Return how many counted connections an address has."""
        return self._open[site_of(host)]

    def sweep(self, connections: Iterable[Waiting]) -> None:
        """Close every connection that is over its time."""
        now = self.clock()
        for connection in list(connections):
            connection.overdue(now)


def proxies(setting: str) -> list[str]:
    """Return the addresses and networks in a setting, which separates them by commas."""
    return [one.strip() for one in setting.split(",") if one.strip()]


@lru_cache(maxsize=4096)
def site_of(host: str) -> str:
    """Return what counts as one address: an IPv4 address, or the /64 of an IPv6 address.

    What is no address, as the name of a Unix socket's peer, counts as itself.
    """
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if not isinstance(address, IPv6Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ip_network((int(address), _IPV6_SITE_BITS), strict=False))

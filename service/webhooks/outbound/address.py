"""The addresses that webhooks may go to: public ones over TLS, or a developer's own machine.

A URL is checked when it is given, and every address when it is connected to (`connector.py`).
"""

import re
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from urllib.parse import urlsplit

URL_CHARACTERS_MAX = 2048
NAME_CHARACTERS_MAX = 253
TLS_PORT = 443
LOW_PORTS = range(1024)  # of these only 443: the others belong to services that are no receivers

Address = IPv4Address | IPv6Address

_VISIBLE = re.compile(r"[!-~]+")
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_BRACKETED = re.compile(r"\[[0-9A-Fa-f:.]+\](:[0-9]*)?")
_LOCALHOST = "localhost"

# IANA's registries of special-purpose addresses, and ranges in which another address hides.
_CLOSED = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
        "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24",
        "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15",
        "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
        "168.63.129.16/32",  # a cloud's own services behind an address that looks public
    )
)  # fmt: skip
_OPEN_V6 = IPv6Network("2000::/3")  # all that was ever given out; the rest is local or translated
_CLOSED_V6 = tuple(
    ip_network(text)
    for text in (
        "2001::/23",  # protocol assignments, with Teredo
        "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20",
    )
)  # fmt: skip
_LOOPBACK = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))


class UrlRefused(ValueError):
    """A URL that no webhook may have; the message says why and what would do."""


class AddressRefused(OSError):
    """A connection was about to be made to an address where no webhook may go."""


def is_loopback(address: Address) -> bool:
    """Return whether it is this machine itself, plainly written."""
    return any(address in network for network in _LOOPBACK if network.version == address.version)


def is_public(address: Address) -> bool:
    """Return whether it is an address of the public internet, and stands for no other."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _CLOSED)
    if address.scope_id is not None or address not in _OPEN_V6:
        return False
    return not any(address in network for network in _CLOSED_V6)


def check_url(url: str, *, loopback: bool) -> str:
    """Return the URL as it will be used. `loopback` allows this machine itself, and there plain
    http.

    Raises UrlRefused.
    """
    if len(url) > URL_CHARACTERS_MAX:
        raise UrlRefused(f"must have at most {URL_CHARACTERS_MAX} characters")
    if _VISIBLE.fullmatch(url) is None or "\\" in url:
        raise UrlRefused(
            "must be visible ASCII without spaces, line ends and backslashes; write a name of "
            "another script as xn--..., and other characters of the path as %xx"
        )
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise UrlRefused(f"is no URL: {error}") from error
    if parts.scheme not in ("https", "http") or not host:
        raise UrlRefused("must be an absolute https URL such as https://example.com/hooks")
    if "@" in parts.netloc:
        raise UrlRefused("must hold no user name or password; deliveries are signed instead")
    if "#" in url:
        raise UrlRefused("must have no fragment (#...): it would not be sent")
    is_here = _check_host(parts.netloc, host, loopback=loopback)
    if parts.scheme == "http" and not is_here:
        raise UrlRefused("must be https")
    if port == 0 or (port in LOW_PORTS and port != TLS_PORT and not is_here):
        raise UrlRefused(f"must use the port {TLS_PORT}, or one from {LOW_PORTS.stop} on")
    return url


def _check_host(netloc: str, host: str, *, loopback: bool) -> bool:
    """Return whether the host is this machine. Raises UrlRefused for one where nothing may go."""
    if netloc.startswith("["):
        address = _read(host)
        if address is None or _BRACKETED.fullmatch(netloc) is None:
            raise UrlRefused("holds a host in brackets that is no IPv6 address")
    elif _NUMBER.fullmatch(host.rpartition(".")[2]):
        # As browsers read it: a host that ends in a number is an IPv4 address, however written.
        address = _read(host)
        if address is None:
            raise UrlRefused("must write an IPv4 address as four decimal numbers")
    else:
        return _check_name(host, loopback=loopback)
    if is_loopback(address) and loopback:
        return True
    if not is_public(address):
        raise UrlRefused("must have a public address: private, local and translated ones are not")
    return False


def _check_name(host: str, *, loopback: bool) -> bool:
    if host == _LOCALHOST:
        if loopback:
            return True
        raise UrlRefused("must have a public address: localhost is this machine itself")
    labels = host.split(".")
    if len(host) > NAME_CHARACTERS_MAX or not all(map(_LABEL.fullmatch, labels)):
        raise UrlRefused("holds a host that is no name: letters, digits, hyphens and single dots")
    if len(labels) < 2:
        raise UrlRefused("must have a whole name such as example.com")
    return False


def _read(host: str) -> Address | None:
    """Return an address in its one plain form; shortened, octal and hexadecimal ones are none."""
    try:
        return ip_address(host)
    except ValueError:
        return None


class AddressFilter:
    """Allows or refuses addresses at the moment of connecting."""

    def __init__(self, *, loopback: bool) -> None:
        self._loopback = loopback

    def check(self, text: str) -> None:
        """Raise AddressRefused unless a connection may be made to this address."""
        address = _read(text)
        if address is not None and (
            is_public(address) or (self._loopback and is_loopback(address))
        ):
            return
        raise AddressRefused(f"the address {text} is not public, and no webhook goes there")

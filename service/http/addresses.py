"""Under which addresses we are reached. What a request says of itself decides none of them."""

from collections.abc import Iterable
from urllib.parse import urlsplit

from service.settings import Settings

HERE = ("127.0.0.1", "localhost", "[::1]")  # health checks of this machine name these
HSTS = "max-age=31536000"


def public_url_of(settings: Settings) -> str:
    """Return SAXAUL_PUBLIC_URL without a slash at its end; unset, where this process listens."""
    if settings.public_url is not None:
        return settings.public_url.rstrip("/")
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{settings.port}"


def is_over_tls(settings: Settings) -> bool:
    """Return whether the public reaches us by https."""
    return public_url_of(settings).lower().startswith("https://")


def hosts_of(settings: Settings) -> frozenset[str]:
    """Return the names that a `Host` header may say, without ports; empty: any."""
    listed = [one.strip().lower() for one in settings.hosts.split(",") if one.strip()]
    if not listed:
        return frozenset()
    public = urlsplit(public_url_of(settings)).netloc.rpartition("@")[2]
    return frozenset((*listed, _name(public), *HERE))


def is_served(headers: Iterable[tuple[bytes, bytes]], hosts: frozenset[str]) -> bool:
    """Return whether a request names one of `hosts`, once."""
    named = [value for name, value in headers if name == b"host"]
    return len(named) == 1 and _name(named[0].decode("latin-1")) in hosts


def _name(host: str) -> str:
    """Return a host without its port."""
    name, colon, port = host.strip().lower().rpartition(":")
    return name if colon and (port.isdecimal() or not port) else host.strip().lower()

"""The API's socket: bound once by the supervisor, shared by all API processes."""

import socket
from ipaddress import ip_address

from service.embedded.home import LOOPBACK
from service.embedded.process import StartupError

BACKLOG = 2048


def listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise StartupError(
            f"Cannot listen on {host} port {port}: {error.strerror}. Set SAXAUL_PORT to another "
            "port, or to 0 for any free one."
        ) from None


def url_of(listener: socket.socket) -> str:
    """Return the URL under which this machine itself reaches the socket."""
    host, port = listener.getsockname()[:2]
    address = ip_address(host)
    if address.is_unspecified:
        host = LOOPBACK
    elif address.version == 6:
        host = f"[{host}]"
    return f"http://{host}:{port}"

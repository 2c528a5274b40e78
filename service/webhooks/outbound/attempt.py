"""What can come of one attempt at a delivery."""

from datetime import datetime
from typing import NamedTuple

OK, STATUS, TIMEOUT, ADDRESS = "ok", "status", "timeout", "address"
TLS, CONNECTION, SECRET = "tls", "connection", "secret"
RESULTS = (OK, STATUS, TIMEOUT, ADDRESS, TLS, CONNECTION, SECRET)


class Answer(NamedTuple):
    """What came of a try. `error` says in words what went wrong; `wait_s` what was asked for."""

    started_at: datetime
    duration_ms: int
    result: str
    status: int | None
    error: str | None
    body: bytes | None
    wait_s: int

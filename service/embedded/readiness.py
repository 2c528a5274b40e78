"""When a system is ready: its API answers, and its worker has left a sign of life."""

from collections.abc import Callable
from contextlib import closing
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlsplit

from arq.constants import default_queue_name, health_check_key_suffix
from redis import Redis
from redis.exceptions import RedisError

from service.embedded.process import StartupError, tail
from service.embedded.supervisor import Supervisor

READY_S = 60.0
ANSWER_S = 2.0


def await_ready(
    supervisor: Supervisor, url: str, redis_url: str, log_of: Callable[[str], Path]
) -> None:
    """Wait until the API's `/readyz` answers and arq has left its sign of life in Valkey.

    Raises StartupError after READY_S, with the end of the log of the one that is missing.
    """
    says = {"worker": "nothing yet", "api-1": "nothing yet"}

    def ready() -> bool:
        try:
            worker = bool(valkey.exists(default_queue_name + health_check_key_suffix))
            status, text = ask_ready(url)
        except (RedisError, HTTPException, OSError) as error:
            says["api-1"] = str(error) or type(error).__name__
            return False
        says["api-1"] = f"{status} {text}"
        says["worker"] = "running" if worker else "nothing yet"
        return worker and status == HTTPStatus.OK

    with Redis.from_url(redis_url) as valkey:
        is_ready = supervisor.wait_for(ready, seconds=READY_S)
    if not is_ready:
        name = "worker" if says["worker"] != "running" else "api-1"
        raise StartupError(
            f"Not ready after {READY_S:.0f} s. {name} says: {says[name]}. The end of "
            f"{log_of(name)}:\n{tail(log_of(name))}"
        )


def ask_ready(url: str) -> tuple[int, str]:
    """Return the status and the beginning of the body of the API's `/readyz`.

    Raises OSError or HTTPException when there is no answer within ANSWER_S.
    """
    address = urlsplit(url)
    with closing(
        HTTPConnection(address.hostname or "", address.port, timeout=ANSWER_S)
    ) as connection:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        return answer.status, answer.read(500).decode(errors="replace")

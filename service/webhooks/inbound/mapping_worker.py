"""The program of a process that maps payloads: it can be killed, and then nothing else is lost.

`python -m service.webhooks.inbound.mapping_worker` reads jobs from its input and writes what came
of each; it ends when its input does. Its environment holds no secret, and it opens nothing.
"""

import pickle
import signal
import sys
from dataclasses import dataclass
from typing import BinaryIO

from service.errors import ServiceError
from service.webhooks.inbound.expressions import Budget
from service.webhooks.inbound.mapping import ItemSeen, Mapped, compiled, read_payload

LENGTH_BYTES = 8
READY = b"ready"


@dataclass(frozen=True, slots=True)
class Job:
    """A payload to be mapped by a configuration, which is JSON.

    With `shown_max` what each rule makes of each of the first items is asked for, as `try` does.
    """

    config: bytes
    body: bytes
    shown_max: int | None


Done = Mapped | list[ItemSeen] | ServiceError


def done(job: Job, budget: Budget) -> Done:
    """Return what came of a job; what was wrong with the payload is an answer, too."""
    mapping = compiled(job.config)
    try:
        payload = read_payload(job.body)
        if job.shown_max is None:
            return mapping(payload, budget)
        return mapping.shown(payload, budget, job.shown_max)
    except ServiceError as error:
        return error


def framed(content: bytes) -> bytes:
    """Return a message with its length before it."""
    return len(content).to_bytes(LENGTH_BYTES, "big") + content


def serve(jobs: BinaryIO, answers: BinaryIO) -> None:
    """Do jobs until there are no more."""
    answers.write(framed(READY))
    answers.flush()
    while length := jobs.read(LENGTH_BYTES):
        # What is unpickled here was made by the process that started this one.
        job: Job = pickle.loads(jobs.read(int.from_bytes(length, "big")))  # noqa: S301
        answers.write(framed(pickle.dumps(done(job, Budget()))))
        answers.flush()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C means the parent, which ends this one
    serve(sys.stdin.buffer, sys.stdout.buffer)

"""`Idempotency-Key`: a write with the same key and body gets the stored answer again.

The answer is stored in the write's own transaction, so there is no moment at which one exists
without the other.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import Header, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from service.errors import IdempotencyKeyReused

KEY_CHARS_MAX = 128
KEY_DESCRIPTION = "Chosen by the caller, one for each write."
IdempotencyKey = Annotated[
    str | None,
    Header(min_length=1, max_length=KEY_CHARS_MAX, description=KEY_DESCRIPTION),
]
BUCKETS = 1024
REPLAYED = "Idempotent-Replayed"


def key_of(request: Request) -> str | None:
    """Return the request's key, for routes that ask for it themselves.

    Raises RequestValidationError.
    """
    key = request.headers.get("idempotency-key")
    if key is None or 1 <= len(key) <= KEY_CHARS_MAX:
        return key
    wrong = f"String should have 1 to {KEY_CHARS_MAX} characters"
    raise RequestValidationError([{"loc": ("header", "idempotency-key"), "msg": wrong}])


# Two requests with one key meet here: the second waits for the first one's transaction.
_TAKE = text("""
    INSERT INTO stored_answer (bucket, caller, idempotency_key, request_digest, body, recorded_at,
                               person_id)
    VALUES (:bucket, :caller, :key, :digest, '', :now, :person)
    ON CONFLICT DO NOTHING RETURNING 1
""")
_READ = text("""
    SELECT request_digest, body FROM stored_answer
    WHERE bucket = :bucket AND caller = :caller AND idempotency_key = :key
""")
_KEEP = text("""
    UPDATE stored_answer SET body = :body
    WHERE bucket = :bucket AND caller = :caller AND idempotency_key = :key
""")


_FORGET = text("""
    DELETE FROM stored_answer USING (
        SELECT bucket, caller, idempotency_key FROM stored_answer
        WHERE recorded_at < :before ORDER BY recorded_at LIMIT :most
        FOR UPDATE SKIP LOCKED
    ) AS old
    WHERE stored_answer.bucket = old.bucket AND stored_answer.caller = old.caller
      AND stored_answer.idempotency_key = old.idempotency_key
    RETURNING 1
""")
_KIND = b"request\0"


@dataclass(frozen=True, slots=True)
class Answered:
    """A JSON body, and whether it was stored by an earlier request."""

    body: bytes
    replayed: bool

    @property
    def headers(self) -> dict[str, str]:
        """The header that marks a stored answer; none for a fresh one."""
        return {REPLAYED: "true"} if self.replayed else {}


async def write_once(
    session: AsyncSession,
    *,
    caller: str,
    key: str | None,
    request: bytes,
    about: UUID | None,
    keyed: Callable[[bytes], bytes],
    now: datetime,
    write: Callable[[], Awaitable[BaseModel]],
) -> Answered:
    """Do `write` once for each (caller, key). Raises IdempotencyKeyReused for another request.

    Without a key the write is simply done. `request` is whatever makes two requests the same; its
    hash is `keyed`, as it may name a person. `about` is the person whom the answer is about: it is
    forgotten with them. `caller` has a person by their keyed hash alone.
    """
    if key is None:
        return Answered((await write()).model_dump_json().encode(), replayed=False)
    who = sha256(caller.encode()).hexdigest()
    named = {
        "bucket": int(who[:4], 16) % BUCKETS,
        "caller": who,
        "key": key,
        "digest": keyed(_KIND + request),
        "now": now,
        "person": about,
    }
    if (await session.execute(_TAKE, named)).scalar() is None:
        stored = (await session.execute(_READ, named)).one()
        former = sha256(request).digest()  # as version 0.1.0 stored it
        if stored.request_digest not in (named["digest"], former):
            raise IdempotencyKeyReused(
                "This Idempotency-Key came with another request before; use a new key.",
            )
        return Answered(bytes(stored.body), replayed=True)
    body = (await write()).model_dump_json().encode()
    await session.execute(_KEEP, {**named, "body": body})
    return Answered(body, replayed=False)


async def forget_answers(session: AsyncSession, *, before: datetime, most: int) -> int:
    """Delete up to `most` answers from before a moment, the oldest first; return how many."""
    found = await session.execute(_FORGET, {"before": before, "most": most})
    return len(found.all())


def add_unstored(answer: Response, **fields: Any) -> Response:
    """Add to a JSON answer what must not be stored with it: a secret."""
    answer.body = orjson.dumps({**orjson.loads(bytes(answer.body)), **fields})
    answer.headers["content-length"] = str(len(answer.body))
    return answer

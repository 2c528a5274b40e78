"""`@idempotent`: a route whose write is done once for each `Idempotency-Key` of its caller."""

import inspect
from collections.abc import Callable, Collection, Coroutine, Mapping
from functools import wraps
from inspect import Parameter, Signature
from string import Formatter
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Request, Response
from pydantic import BaseModel

from service.http.dependencies import Now, Transaction
from service.http.idempotency import IdempotencyKey, write_once
from service.partners.dependencies import ThisCaller, ThisHasher
from service.partners.person import PersonId

Route = Callable[..., Coroutine[Any, Any, BaseModel]]
Answering = Callable[..., Coroutine[Any, Any, Response]]
_REPEATING = "repeating"  # the parameter that a decorated route gets in addition to its own


class _Repeating:
    """What doing a route's write once depends on; `response` carries a status that it chose."""

    def __init__(
        self,
        request: Request,
        response: Response,
        caller: ThisCaller,
        hasher: ThisHasher,
        session: Transaction,
        now: Now,
        idempotency_key: IdempotencyKey = None,
    ) -> None:
        self.usual_status: int = request.scope["route"].status_code or 200
        self.response = response
        self.caller = caller
        self.hasher = hasher
        self.session = session
        self.now = now
        self.key = idempotency_key

    async def answer(
        self,
        route: Callable[[], Coroutine[Any, Any, BaseModel]],
        content: bytes,
        *,
        about: UUID | None,
        repeated_status: int | None,
        shown_once: frozenset[str],
    ) -> Response:
        """The answer of `route`, or the one that is stored for the same content under the key."""
        fresh: BaseModel | None = None

        async def write() -> BaseModel:
            nonlocal fresh
            fresh = await route()
            return fresh.model_copy(update=dict.fromkeys(shown_once)) if shown_once else fresh

        answered = await write_once(
            self.session,
            caller=self.caller.name,
            key=self.key,
            request=content,
            about=about,
            keyed=self.hasher.digest,
            now=self.now,
            write=write,
        )
        body, status = answered.body, self.response.status_code or self.usual_status
        if fresh is None:
            status = repeated_status or status
        elif shown_once:
            body = fresh.model_dump_json().encode()
        return Response(body, status, headers=answered.headers, media_type="application/json")


def idempotent(
    *content: str,
    repeated_status: int | None = None,
    shown_once: frozenset[str] = frozenset(),
    **prepared: Callable[..., Any],
) -> Callable[[Route], Answering]:
    """Decorate a route, below the router's own decorator, so that it may be sent again.

    The route returns a model. It is not called when there is an answer under the caller's key: that
    one is sent again, with the status of the router's decorator, or `repeated_status`. The fields
    `shown_once` are sent in the first answer and are stored as null.

    `content` are templates over the arguments, as "{person.id}" and "{body}": their lines make two
    requests the same. Other content under a known key raises IdempotencyKeyReused. `prepared` are
    arguments of the route that are made before an answer is looked for, each by a function that may
    refuse; it depends on what it likes, as a route does, and on the arguments before it.
    """

    def decorate(route: Route) -> Answering:
        own = inspect.signature(route)
        makers = {name: (make, inspect.signature(make)) for name, make in prepared.items()}

        @wraps(route)
        async def answer(**arguments: Any) -> Response:
            repeating: _Repeating = arguments.pop(_REPEATING)
            for name, (make, takes) in makers.items():
                made = make(**_of(arguments, takes))
                arguments[name] = await made if inspect.isawaitable(made) else made
            return await repeating.answer(
                lambda: route(**_of(arguments, own)),
                _content(content, arguments),
                about=_about(arguments),
                repeated_status=repeated_status,
                shown_once=shown_once,
            )

        wanted = _wanted(own, *(takes for _, takes in makers.values()), besides=prepared.keys())
        # FastAPI reads here what the decorated route depends on.
        answer.__signature__ = own.replace(parameters=wanted)  # type: ignore[attr-defined]
        return answer

    return decorate


def _wanted(*signatures: Signature, besides: Collection[str]) -> list[Parameter]:
    """The parameters of all signatures, each once, as keywords; and the one of repeating."""
    found: dict[str, Parameter] = {}
    for signature in signatures:
        for name, one in signature.parameters.items():
            if name not in besides:
                found.setdefault(name, one.replace(kind=Parameter.KEYWORD_ONLY))
    repeating = Annotated[_Repeating, Depends()]
    return [
        *found.values(),
        Parameter(_REPEATING, Parameter.KEYWORD_ONLY, annotation=repeating),
    ]


def _of(arguments: Mapping[str, object], signature: Signature) -> dict[str, Any]:
    """The arguments that a function with this signature takes."""
    return {name: arguments[name] for name in signature.parameters}


def _about(arguments: Mapping[str, Any]) -> UUID | None:
    """Whom a write is about: the person in its path or body, or of the row that it found."""
    person, found = arguments.get("person"), arguments.get("found")
    if isinstance(person, PersonId):
        return person.id
    if isinstance(found, Mapping):
        return found.get("person_id")
    return None


class _Lines(Formatter):
    """Fills in a template; a model stands there as the JSON that was sent of it."""

    def format_field(self, value: Any, format_spec: str) -> str:
        """One value as text."""
        if isinstance(value, BaseModel):
            return value.model_dump_json(exclude_unset=True)
        return format(value, format_spec) if format_spec else str(value)


_LINES = _Lines()


def _content(templates: tuple[str, ...], arguments: Mapping[str, object]) -> bytes:
    """The lines that make two requests the same."""
    return "\n".join(_LINES.vformat(one, (), arguments) for one in templates).encode()

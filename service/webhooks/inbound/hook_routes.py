"""HTTP for merchants' own messages: the address that their systems call."""

import orjson
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from service.errors import BodyTooLarge
from service.http.dependencies import whole_body
from service.http.problems import MEDIA_TYPE, documented
from service.http.runtime import HttpRuntime, runtime_of
from service.webhooks.inbound.dependencies import hooks_of

router = APIRouter(
    prefix="/v1", tags=["Connectors"], responses=documented(400, 401, 403, 404, 409, 413, 422, 503)
)

HOOKS = f"{router.prefix}/hooks/"


class HookAnswer(BaseModel):
    """What became of each event and reversal in a message, in its order."""

    delivery_id: str
    results: list[dict[str, object]]
    counts: dict[str, int]
    skipped: int
    quarantined: bool


@router.post(
    "/hooks/{connector_id}",
    response_model=HookAnswer,
    openapi_extra={
        "security": [],
        "parameters": [
            {"name": "connector_id", "in": "path", "required": True, "schema": {"type": "string"}}
        ],
        "requestBody": {
            "required": True,
            "description": "The merchant's own JSON, signed as the connector says.",
            "content": {"application/json": {"schema": {}}},
        },
    },
)
async def receive(request: Request) -> Response:
    """A merchant's own message, signed; no key is sent. The same `webhook-id` and body again gets
    the stored answer."""
    hooks = await hooks_of(request)
    connector = await hooks.connectors.find(request.scope["path"].rpartition("/")[2])
    try:
        body = await whole_body(request)
    except BodyTooLarge as error:
        announced = request.headers.get("content-length", "0")
        size = int(announced) if announced.isdigit() and len(announced) < 10 else 0
        await hooks.reject(connector.connector_id, size, error)
        raise
    taken = await hooks.take(connector, request.headers, body)
    runtime_of(request.app, HttpRuntime).metrics.answered(taken.outcomes)
    return Response(
        taken.body,
        taken.status,
        {"Idempotent-Replayed": "true"} if taken.replayed else {},
        media_type="application/json" if taken.status == 200 else MEDIA_TYPE,
    )


def as_json(value: object) -> Response:
    """Return an answer that is JSON already in all but form."""
    return Response(orjson.dumps(value), media_type="application/json")

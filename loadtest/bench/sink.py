"""A merchant's server that takes everything at once, or at /hang nothing ever."""

import asyncio

from starlette.types import Receive, Scope, Send

from loadtest.bench.serve import serve

_taken = 0


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """POST /taken is counted, GET /taken says how many there were, /hang does not answer."""
    global _taken  # noqa: PLW0603  (the one number of this program)
    if scope["type"] == "lifespan":
        await _live(receive, send)
        return
    if scope["path"] == "/hang":
        await asyncio.sleep(3600)
    while (await receive()).get("more_body"):
        pass
    if scope["method"] == "POST":
        _taken += 1
    body = str(_taken).encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _live(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


if __name__ == "__main__":
    serve(app)

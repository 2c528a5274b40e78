"""The command `saxaul listen`: show deliveries in a terminal."""

import asyncio
from collections import Counter
from typing import Annotated

import typer
from rich.json import JSON
from rich.text import Text

from service.clock import system_clock
from service.local import read_demo_file
from service.settings import Settings
from service.terminal import err, fail, out
from service.webhooks.outbound.listen import Api, Arrived, ListenFailed, listening
from service.webhooks.outbound.types import EVENT_TYPES

COLOURS = {
    "action.credited": "green",
    "action.capped": "yellow",
    "action.refused": "red",
    "action.reversed": "magenta",
}


def listen(
    type_: Annotated[
        list[str] | None,
        typer.Option("--type", help="Only this type; repeatable. Default: all."),
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0: any.")] = 0,
    count: Annotated[int, typer.Option(min=0, help="Stop after so many; 0: at Ctrl-C.")] = 0,
    as_json: Annotated[
        bool, typer.Option("--json", help="One message on a line, for other programs.")
    ] = False,
    url: Annotated[str | None, typer.Option(help="The API; default: the one running here.")] = None,
    key: Annotated[
        str | None,
        typer.Option(envvar="SAXAUL_KEY", help="A key with webhooks:manage and people:act."),
    ] = None,
) -> None:
    """Print webhooks as they arrive, verified, until Ctrl-C. For development.

    Makes an endpoint on this machine and removes it at the end.
    """
    types = tuple(type_ or EVENT_TYPES)
    unknown = sorted(set(types) - set(EVENT_TYPES))
    if unknown:
        raise fail(f"there is no type {unknown[0]!r}; there are {', '.join(EVENT_TYPES)}.")
    demo = read_demo_file(Settings())
    url, key = url or demo.get("url"), key or demo.get("webhooks_key")
    if url is None or key is None:
        raise fail("no API is running here: say --url and --key, or run `saxaul up` first.")
    shown: Counter[str] = Counter()
    try:
        asyncio.run(_listen(Api(url, key), types, port, count, shown, as_json=as_json))
    except KeyboardInterrupt:
        err.print(f"Stopped after {shown.total()} deliveries; the endpoint is removed.")
    except ListenFailed as error:
        raise fail(str(error)) from error
    except OSError as error:
        raise fail(f"cannot listen on port {port}: {error.strerror or error}.") from error


async def _listen(
    api: Api, types: tuple[str, ...], port: int, count: int, shown: Counter[str], *, as_json: bool
) -> None:
    enough = asyncio.Event()

    def show(arrived: Arrived) -> None:
        _show(arrived, as_json=as_json)
        shown["bad" if arrived.fault else "good"] += 1
        if count and shown.total() >= count:
            enough.set()

    async with listening(api, types, port, system_clock, show) as endpoint:
        err.print(
            f"Listening at {endpoint['url']} for {', '.join(types)}.\n"
            "Report an event and watch; Ctrl-C ends it.",
            highlight=False,
            style="dim",
        )
        await enough.wait()


def _show(arrived: Arrived, *, as_json: bool) -> None:
    if arrived.fault is not None:
        err.print(f"NOT VERIFIED {arrived.id}: {arrived.fault}", style="bold red", highlight=False)
        return
    if as_json:
        typer.echo(arrived.body)
        return
    message = arrived.message
    name, data = message["type"], message["data"]
    line = Text(f"{message['timestamp'][11:19]}  ")
    line.append(f"{name:<18}", style=f"bold {COLOURS.get(name, 'cyan')}")
    if "avoided_mg" in data:
        sign = "-" if name == "action.reversed" else ""
        grams = int(data["avoided_mg"]) / 1000
        line.append(f"{data['source']}/{data['id']}  {sign}{grams:,.3f} g CO2e, ")
        line.append(f"{sign}{data['points']} points")
    if data.get("reason"):
        line.append(f"  {data['reason']}", style="italic")
    out.print(line)
    out.print(Text(f"          id {arrived.id}, signature verified", style="dim"))
    out.print(JSON.from_data(data, indent=2), style="dim")

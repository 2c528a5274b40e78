"""Every day, moment, number and cursor that a request may hold has a range, on every route."""

import base64
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any, Union, get_args, get_origin
from uuid import UUID

import annotated_types
import httpx
import orjson
import pytest
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts
from pydantic import AfterValidator, BaseModel
from pydantic.fields import FieldInfo

import service
from service.app import create_app
from service.errors import CursorInvalid
from service.http.pages import Order, PageRequest, by_name, newest_first
from service.http.times import WHOLE_MAX, Day, Moment, day_of, in_reach, moment_of, whole_of
from service.settings import Settings

FAR_DAYS = ("0001-01-01", "1999-12-31", "2101-01-01", "9999-12-31")
FAR = ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00%2B14:00",
       "9999-12-31T23:59:59-12:00")  # fmt: skip
WILD = (
    "", "x", "-1", "9" * 10, "9" * 30, "9" * 400, "1e9", "0001-01-01", "9999-12-31", "1700000000",
    "0001-01-01T00:00:00", "2026-01-01T00:00:00", "9999-12-31T23:59:59+00:00", "\u0663", "\u0000",
)  # fmt: skip
ANY_NUMBER = {"CloudEvent"}  # its data are limited by methodologies, its time by the programme


def parts_of(annotation: Any, metadata: tuple[Any, ...]) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """Every plain type within an annotation, with what limits it."""
    if hasattr(annotation, "__metadata__"):
        yield from parts_of(annotation.__origin__, (*metadata, *annotation.__metadata__))
    elif inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        if annotation.__name__ not in ANY_NUMBER:
            for field in annotation.model_fields.values():
                yield from parts_of(field.annotation, tuple(field.metadata))
    elif get_origin(annotation) in (Union, type(int | None), list, tuple, dict):
        for one in get_args(annotation):
            yield from parts_of(one, metadata)
    else:
        yield annotation, metadata


def is_limited(kind: Any, metadata: tuple[Any, ...]) -> bool:
    flat = [one for item in metadata for one in (item, *getattr(item, "metadata", ()))]
    if kind in (date, datetime):
        return any(isinstance(one, AfterValidator) and one.func is in_reach for one in flat)
    if kind in (int, float):
        low = any(isinstance(one, annotated_types.Ge | annotated_types.Gt) for one in flat)
        return low and any(isinstance(one, annotated_types.Le | annotated_types.Lt) for one in flat)
    return True


def fields_of(dependant: Dependant) -> Iterator[tuple[str, FieldInfo]]:
    for params in (
        dependant.path_params, dependant.query_params, dependant.header_params,
        dependant.body_params,
    ):  # fmt: skip
        for param in params:
            yield param.name, param.field_info
    for below in dependant.dependencies:
        yield from fields_of(below)


def taken() -> Iterator[Any]:
    for context in iter_route_contexts(create_app(Settings()).routes):
        route = context.original_route
        if isinstance(route, APIRoute):
            for name, field in fields_of(route.dependant):
                where = f"{sorted(route.methods)[0]} {route.path} {name}"
                for kind, metadata in parts_of(field.annotation, tuple(field.metadata)):
                    if kind in (int, float, date, datetime):
                        yield pytest.param(kind, metadata, id=where)


TAKEN = list(taken())


@pytest.mark.parametrize(("kind", "metadata"), TAKEN)
def test_a_parameter_or_field_has_a_range(kind: type, metadata: tuple[Any, ...]) -> None:
    assert is_limited(kind, metadata), "use Day, Moment, or a number with ge and le"


def test_many_were_looked_at() -> None:
    assert len(TAKEN) > 30
    assert not is_limited(date, ())
    assert not is_limited(int, (annotated_types.Ge(0),))
    assert next(is_limited(*one) for one in parts_of(Day | None, ()))
    assert [is_limited(*one) for one in parts_of(Moment, ())] == [True]


def orders() -> Iterator[Any]:
    yield pytest.param(newest_first("x"), id="newest_first")
    yield pytest.param(by_name("x"), id="by_name")
    for module in pkgutil.walk_packages(service.__path__, "service."):
        if module.name.endswith("routes"):
            for name, value in vars(importlib.import_module(module.name)).items():
                if isinstance(value, Order):
                    yield pytest.param(value, id=f"{module.name}.{name}")


def in_range(part: object) -> bool:
    if isinstance(part, datetime):
        return part.tzinfo is not None and 2000 <= part.year <= 2100
    if isinstance(part, date):
        return 2000 <= part.year <= 2100
    return not isinstance(part, int) or 0 <= part <= WHOLE_MAX


@pytest.mark.parametrize("order", list(orders()))
async def test_a_cursor_is_a_key_within_its_range_or_refused(order: Order[Any, Any]) -> None:
    keys: list[object] = []

    async def find(key: object, _: int) -> list[object]:
        keys.append(key)
        return []

    for wild in WILD:
        for at in range(4):
            parts = ["2026-01-01", "7", "7", "2026-01-01"]
            parts[at] = wild
            for shown in (parts[at:], parts):
                raw = base64.urlsafe_b64encode(orjson.dumps(shown)).decode()
                try:
                    await PageRequest(cursor=raw).of(order, find, lambda row: row)
                except CursorInvalid:
                    continue
    for key in keys:
        parts_of_key = key if isinstance(key, tuple) else (key,)
        assert all(isinstance(one, UUID | str) or in_range(one) for one in parts_of_key), key


@pytest.mark.parametrize("path", [
    *(f"/v1/people/x/statement?day={day}" for day in FAR_DAYS),
    "/v1/people/x/statement?month=0001-01", "/v1/people/x/statement?month=9999-12",
    "/v1/people/x/statement?day=1700000000",
    *(f"/v1/factors?on={day}" for day in FAR_DAYS), *(f"/v1/policies?on={day}" for day in FAR_DAYS),
    *(f"/v1/totals?as_of={at}" for at in FAR),
    *(f"/v1/webhook-endpoints/{UUID(int=1)}/deliveries?from={at}" for at in FAR),
    *(f"/v1/webhook-endpoints/{UUID(int=1)}/deliveries?to={at}" for at in FAR),
])  # fmt: skip
async def test_a_far_day_is_refused_with_words(app: FastAPI, admin: httpx.AsyncClient,
                                               path: str) -> None:  # fmt: skip
    answer = await admin.get(path)

    assert answer.status_code in (403, 422), answer.text
    if answer.status_code == 422:
        assert answer.json()["errors"][0]["detail"]


@pytest.mark.parametrize("wrong", ["2026-01-01T00:00:00", "0001-01-01T00:00:00+00:00", "x"])
def test_a_moment_in_a_cursor_has_an_offset_and_a_usual_year(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        moment_of(wrong)


def test_usual_ones_are_read() -> None:
    assert day_of("2026-06-15") == date(2026, 6, 15)
    assert moment_of("2026-06-15T00:00:00+00:00").year == 2026
    assert [whole_of(text) for text in ("0", "7", str(WHOLE_MAX))] == [0, 7, WHOLE_MAX]
    for wrong in ("-1", str(WHOLE_MAX + 1), "1.0", "\u0663", ""):
        with pytest.raises(ValueError, match="whole number"):
            whole_of(wrong)

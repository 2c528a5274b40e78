"""What cannot be stored or reckoned with in a path or a query is a problem, never a 500."""

import base64

import httpx
import orjson
import pytest


def cursor_of(*parts: object) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(parts)).decode().rstrip("=")


@pytest.mark.parametrize(
    "path",
    [
        "/v1/projects/a%00b",
        "/v1/totals/series?activity=a%00b",
        "/v1/totals/series?region=a%00b",
        f"/v1/people/x/earnings?cursor={cursor_of('2026-01-01', 'a' + chr(0))}",
        "/v1/people/x/entries?cursor=a%00b",
        "/v1/people/x/actions?cursor=%F0%9F%8C%B3",
        f"/v1/people/x/actions?cursor={cursor_of(7)}",
        f"/v1/people/x/earnings?cursor={cursor_of('2026-01-01')}",
        f"/v1/people/x/earnings?cursor={cursor_of()}",
        "/v1/people/x/entries?cursor=e30",
        "/v1/people/x/entries?limit=0",
        "/v1/people/x/entries?limit=201",
        "/v1/people/x/entries?limit=many",
        "/v1/actions/not-a-uuid",
        "/v1/totals?as_of=2026-06-15T00:00:00",
        "/v1/totals?as_of=yesterday",
        "/v1/totals/series?by=week",
        "/v1/factors?on=2026-02-30",
        "/v1/methodologies/transit.metro/9.9.9",
        "/v1/methodologies/a%00b/1.0.0",
        "/problems/no-such-problem",
    ],
)
async def test_it_is_a_problem_with_words(partner: httpx.AsyncClient, path: str) -> None:
    answer = await partner.get(path)

    assert answer.status_code in (404, 422), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"]


@pytest.mark.parametrize(
    "moment", ["0001-01-01T00:00:00%2B14:00", "9999-12-31T23:59:59-14:00", "0001-06-01T00:00:00Z"]
)
async def test_a_moment_far_away_is_no_fault_of_ours(
    partner: httpx.AsyncClient, moment: str
) -> None:
    for path in ("/v1/totals", "/v1/totals/series"):
        answer = await partner.get(f"{path}?as_of={moment}")

        assert answer.status_code in (200, 422), answer.text

"""Other methods beside what is recorded: compared, never counted."""

from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from builders import a_bike_ride, a_partner, a_ride, catch_up, client_of
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from restate_versions import METRO, NEW_MG, OLD_MG, a_closed_ride, restated, send

from methodologies.plugins import load_all
from service.acting import Actor, acting
from service.errors import MethodologyNotFound, RestatementRefused
from service.restate.chunks import ChunkLimits
from service.restate.compare import PPM, Comparison, Comparisons, is_sampled, read_comparisons
from service.restate.rules import Span, activity_of, alternative_of
from service.restate.shadow import compare
from service.settings import PROGRAMME_FROM, PROGRAMME_TO

REGIONAL = "cycle.bike.regional_standard@1.0.0"


async def compared(
    app: FastAPI, methodology: str, reference: str, *, sample_ppm: int = PPM
) -> dict[str, Any]:
    resources = app.state.runtime.resources
    catalogue = load_all(resources.settings.methodology_path, resources.clock().date())
    with acting(Actor("operator", "tests")):
        return await compare(
            resources,
            catalogue,
            methodology=methodology,
            alternative=alternative_of(catalogue, activity_of(catalogue, methodology), reference),
            sample_ppm=sample_ppm,
            between=Span(PROGRAMME_FROM, PROGRAMME_TO),
            size=ChunkLimits(people=2),
            started=lambda total, done: None,
            advanced=lambda actions: None,
        )


async def test_the_regional_standard_is_compared_and_counts_nothing(
    programme: FastAPI, reporter: httpx.AsyncClient
) -> None:
    """3.2 km: 138,697 mg by the survey; 3.2 * 95.3 g * 0.89 = 271,414.4 mg by the standard."""
    beijing = [a_closed_ride(a_bike_ride, {"region": "CN-BJ"}) for _ in range(3)]
    await send(reporter, [*beijing, a_closed_ride(a_bike_ride), a_closed_ride(a_ride)])
    await catch_up(programme)
    before = (await reporter.get("/v1/totals")).json()

    report = await compared(programme, "cycle.bike", REGIONAL)

    await catch_up(programme)
    assert (await reporter.get("/v1/totals")).json()["avoided_mg"] == before["avoided_mg"]
    (whole, city) = report["cells"]
    assert (city["region"], city["actions"]) == ("CN-BJ", 3)
    assert (city["recorded_mg"], city["shadow_mg"]) == (str(3 * 138_697), str(3 * 271_414))
    assert (city["mean_difference_mg"], city["spread_mg"]) == (str(271_414 - 138_697), "0")
    assert city["ratio"] == str((Decimal(271_414) / 138_697).quantize(Decimal("0.0001")))
    assert (whole["region"], whole["actions"], whole["refused_by_shadow"]) == ("CN", 0, 1)
    assert report["total"]["actions"] == 3


async def test_what_one_side_refuses_is_counted_apart(
    programme: FastAPI, reporter: httpx.AsyncClient
) -> None:
    far, none = {"distance_km": "500"}, {"region": "FR"}
    sent = await send(
        reporter,
        [
            a_closed_ride(a_ride),
            a_closed_ride(a_ride, far),
            a_closed_ride(a_ride, none),
            a_closed_ride(a_ride),
        ],
    )
    await reporter.post(f"/v1/actions/{sent[3]['action_id']}/reversal", json={"reason": "refund"})

    total = (await compared(programme, METRO, "transit.metro@2.0.0"))["total"]

    assert (total["actions"], total["refused_by_both"], total["refused_by_shadow"]) == (1, 2, 0)
    assert total["mean_difference_mg"] == str(NEW_MG - OLD_MG)


async def test_the_newest_value_is_compared(
    programme: FastAPI, reporter: httpx.AsyncClient
) -> None:
    await send(reporter, [a_closed_ride(a_ride)])
    await restated(programme)

    (cell,) = (await compared(programme, METRO, "transit.metro@1.0.0"))["cells"]

    assert cell["methodology"] == "transit.metro@2.0.0"
    assert cell["mean_difference_mg"] == str(OLD_MG - NEW_MG)


async def test_runs_are_listed_for_operators_only(
    programme: FastAPI, reporter: httpx.AsyncClient
) -> None:
    await send(reporter, [a_closed_ride(a_ride)])
    shadow = await compared(programme, METRO, "transit.metro@2.0.0", sample_ppm=PPM // 2)
    done = await restated(programme)
    plain = await a_partner(programme.state.runtime.resources.sessions)

    first = (await reporter.get("/v1/methodology-runs", params={"limit": 1})).json()
    second = (
        await reporter.get("/v1/methodology-runs", params={"cursor": first["next_cursor"]})
    ).json()
    one = (await reporter.get(f"/v1/methodology-runs/{done['run_id']}")).json()
    missing = await reporter.get(f"/v1/methodology-runs/{uuid4()}")
    async with client_of(programme, plain.key) as client:
        refused = await client.get("/v1/methodology-runs")

    listed = [*first["data"], *second["data"]]
    assert {run["run_id"] for run in listed} == {shadow["run_id"], done["run_id"]}
    assert {run["kind"]: run["sample"] for run in listed} == {"shadow": "0.5", "restatement": "1"}
    assert one["result"]["total"]["difference_mg"] == str(NEW_MG - OLD_MG)
    assert (missing.status_code, missing.json()["type"]) == (404, "/problems/run-not-found")
    assert refused.status_code == 403


async def test_what_cannot_be_compared_is_refused(programme: FastAPI) -> None:
    with pytest.raises(RestatementRefused, match="R9"):
        await compared(programme, METRO, REGIONAL)
    with pytest.raises(MethodologyNotFound, match=r"transit\.metro@9\.0\.0"):
        await compared(programme, METRO, "transit.metro@9.0.0")
    with pytest.raises(MethodologyNotFound, match=r"no methodology 'transit\.ferry'"):
        await compared(programme, "transit.ferry", "transit.ferry@1.0.0")


@given(st.uuids(), st.integers(1, PPM), st.integers(1, PPM))
def test_a_larger_sample_holds_the_smaller_one(action: UUID, one: int, other: int) -> None:
    small, large = sorted((one, other))

    assert is_sampled(action, large) or not is_sampled(action, small)
    assert is_sampled(action, PPM)


def test_a_sample_has_about_its_share() -> None:
    ids = [UUID(int=number) for number in range(10_000)]

    share = sum(is_sampled(one, PPM // 10) for one in ids)

    assert 900 <= share <= 1_100


amounts = st.lists(
    st.tuples(st.integers(0, 10**18), st.integers(0, 10**18)), min_size=1, max_size=20
)


@given(amounts, st.integers(0, 20))
def test_figures_do_not_depend_on_where_a_run_was_cut(
    pairs: list[tuple[int, int]], cut: int
) -> None:
    whole, first, second = Comparison(), Comparison(), Comparison()
    for index, (recorded, shadow) in enumerate(pairs):
        whole._compare(recorded, shadow)
        (first if index < cut else second)._compare(recorded, shadow)
    kept = Comparisons()
    kept.cells["m@1.0.0", "2026-03", "CN", "L1"] = first

    joined = next(iter(read_comparisons(kept.as_json()).cells.values()))
    joined.add(second)

    assert joined == whole
    differences = [shadow - recorded for recorded, shadow in pairs]
    mean = Decimal(sum(differences)) / len(pairs)
    assert abs(Decimal(whole.mean_mg or 0) - mean) <= Decimal("0.5") + abs(mean) / 10**20
    assert (whole.least_mg, whole.most_mg) == (min(differences), max(differences))
    assert (whole.spread_mg == 0) or len(set(differences)) > 1

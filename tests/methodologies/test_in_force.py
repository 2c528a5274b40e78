"""Which version assesses an action is said by the day it begins; withdrawing gives it back."""

import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from methodologies.catalogue import Catalogue, load_catalogue
from methodologies.contract import Assessment, CatalogueBroken, Refusal, UnknownEdition
from methodologies.digest import IN_FORCE, WITHDRAWN
from methodologies.force import spans
from methodologies.lock import lock, put_in_force, withdraw

BEGINS = date(2027, 1, 1)
RECORDED = date(2026, 11, 22)
NewVersion = Callable[[int], None]


@pytest.fixture
def publish(folder: Path) -> NewVersion:
    def make(major: int) -> None:
        """A later version of the metro sheet; its conservativeness is another one."""
        shutil.copytree(folder / "transit_metro/v1", folder / f"transit_metro/v{major}")
        sheet = folder / f"transit_metro/v{major}/methodology.yaml"
        text = sheet.read_text(encoding="utf-8")
        text = text.replace('version: "1.0.0"', f'version: "{major}.0.0"')
        sheet.write_text(text, encoding="utf-8")
        lock(folder)

    return make


def assessed(catalogue: Catalogue, day: date) -> str:
    result = catalogue.assess(
        "transit.metro", region="CN", day=day, level="L1", data={"distance_km": "12.4"}
    )
    return result.methodology if isinstance(result, Assessment) else result.detail


def test_without_a_line_the_newest_published_version_assesses_every_day(
    folder: Path, publish: NewVersion
) -> None:
    publish(2)

    assert assessed(load_catalogue(folder), date(2021, 1, 1)) == "transit.metro@2.0.0"


def test_a_version_assesses_from_its_first_day_on(folder: Path, publish: NewVersion) -> None:
    publish(2)
    put_in_force(folder, "transit.metro@2.0.0", BEGINS, recorded_on=RECORDED)

    catalogue = load_catalogue(folder)

    assert assessed(catalogue, date(2026, 12, 31)) == "transit.metro@1.0.0"
    assert assessed(catalogue, BEGINS) == "transit.metro@2.0.0"
    assert catalogue.edition("transit.metro", "2.0.0").in_force_from == BEGINS


def test_a_newer_version_that_begins_earlier_wins(folder: Path, publish: NewVersion) -> None:
    publish(2)
    publish(3)
    put_in_force(folder, "transit.metro@2.0.0", date(2028, 1, 1), recorded_on=RECORDED)
    put_in_force(folder, "transit.metro@3.0.0", BEGINS, recorded_on=RECORDED)

    catalogue = load_catalogue(folder)

    assert assessed(catalogue, date(2028, 6, 1)) == "transit.metro@3.0.0"
    assert assessed(catalogue, date(2026, 6, 1)) == "transit.metro@1.0.0"


def test_withdrawing_gives_the_days_back_to_the_version_before(
    folder: Path, publish: NewVersion
) -> None:
    publish(2)
    put_in_force(folder, "transit.metro@2.0.0", BEGINS, recorded_on=RECORDED)
    withdraw(folder, "transit.metro@2.0.0", "its factor was\nmisread")

    assert assessed(load_catalogue(folder), date(2027, 6, 1)) == "transit.metro@1.0.0"
    assert "misread" in (folder / WITHDRAWN).read_text(encoding="utf-8")


def test_a_day_before_any_version_begins_is_refused(folder: Path) -> None:
    put_in_force(folder, "transit.metro@1.0.0", BEGINS, recorded_on=RECORDED)

    said = assessed(load_catalogue(folder), date(2026, 6, 1))

    assert said == "transit.metro@1.0.0 is in force from 2027-01-01, not on 2026-06-01"


def test_a_version_by_name_assesses_whatever_its_state(folder: Path, publish: NewVersion) -> None:
    publish(2)
    withdraw(folder, "transit.metro@2.0.0", "its factor was misread")
    catalogue = load_catalogue(folder)
    given = {"region": "CN", "day": RECORDED, "level": "L1", "data": {"distance_km": "12.4"}}

    old = catalogue.assess_under("transit.metro@2.0.0", **given)
    draft = catalogue.assess_under("cycle.bike.regional_standard@1.0.0", **given)

    assert isinstance(old, Assessment)
    assert old.methodology == "transit.metro@2.0.0"
    assert isinstance(draft, Refusal)
    with pytest.raises(UnknownEdition):
        catalogue.assess_under("transit.metro@9.0.0", **given)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("transit.ferry@1.0.0 2027-01-01", "there is no transit.ferry@1.0.0"),
        ("transit.metro@1.0.0 soon", "'soon' is not a day"),
        ("transit.metro@1.0.0 2020-01-01", "is outside the programme"),
        ("transit.metro@1.0.0 2027-01-01 2026-12-24", "rule 6.1: transit.metro@1.0.0 must begin"),
        ("transit.metro@1.0.0 2027-01-01 then", "'then' is not a day"),
        ("cycle.bike.regional_standard@1.0.0 2027-01-01", "is a draft: publish it first"),
        ("transit.metro@1.0.0", "a line is `id@version` and a value"),
    ],
)
def test_a_bad_line_stops_the_program(folder: Path, line: str, why: str) -> None:
    (folder / IN_FORCE).write_text(f"# first days\n{line}\n", encoding="utf-8")

    with pytest.raises(CatalogueBroken) as broken:
        load_catalogue(folder)

    assert (broken.value.file, broken.value.line) == (IN_FORCE, 2)
    assert why in broken.value.reason


def test_a_line_that_would_break_the_folder_is_not_kept(folder: Path) -> None:
    before = (folder / IN_FORCE).read_text(encoding="utf-8")

    with pytest.raises(CatalogueBroken, match=r"rule 6\.1"):
        put_in_force(folder, "transit.metro@1.0.0", date(2026, 12, 1), recorded_on=RECORDED)

    assert (folder / IN_FORCE).read_text(encoding="utf-8") == before


def test_saying_it_twice_is_once_and_saying_another_day_is_refused(folder: Path) -> None:
    for _ in range(2):
        put_in_force(folder, "transit.metro@1.0.0", BEGINS, recorded_on=RECORDED)

    lines = (folder / IN_FORCE).read_text(encoding="utf-8").splitlines()
    assert len([line for line in lines if line.startswith("transit.metro@")]) == 1
    with pytest.raises(CatalogueBroken, match="has a line already"):
        put_in_force(folder, "transit.metro@1.0.0", date(2028, 1, 1), recorded_on=RECORDED)


days = st.dates(min_value=date(2021, 1, 1), max_value=date(2035, 12, 31))


@given(st.lists(days, min_size=1, max_size=5), days)
def test_spans_say_what_the_choice_does(firsts: list[date], day: date) -> None:
    editions = {f"v{len(firsts) - at}": first for at, first in enumerate(firsts)}

    told = [
        name
        for name, span in spans(editions).items()
        if span is not None and span[0] <= day and (span[1] is None or day <= span[1])
    ]

    chosen = [name for name, first in editions.items() if first <= day][:1]
    assert told == chosen

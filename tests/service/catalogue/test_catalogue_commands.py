"""The commands about methodologies, as a person types them: what they print and how they leave."""

import json
import os
import shutil
from pathlib import Path

import httpx
import orjson
import pytest
from builders import an_event, report
from typer.testing import CliRunner, Result

from methodologies.catalogue import load_catalogue
from service.catalogue.speed import measure
from service.cli import app

# The sum of the skeleton, as code.
CODE = """
from decimal import Decimal

from methodologies.contract import Estimate, FactorTable, Inputs

NOTHING = Decimal(0)


def estimate(inputs: Inputs, factors: FactorTable) -> Estimate:
    items = inputs.numbers["items"]
    values = factors["per_item"]
    return Estimate("per_item", items * values["before"], items * values["after"], NOTHING)
"""


def run(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(app, arguments, env={"COLUMNS": "200", **environment})


@pytest.fixture
async def receipt(partner: httpx.AsyncClient, tmp_path: Path) -> Path:
    result = await report(partner, an_event())
    answer = await partner.get(f"/v1/actions/{result['action_id']}/receipt")
    file = tmp_path / "receipt.json"
    file.write_bytes(answer.content)
    return file


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A folder of somebody's own with a published version."""
    folder = tmp_path / "mine"
    assert run("methodology", "new", "water.refill", "--folder", str(folder)).exit_code == 0
    factors = folder / "water_refill/v1/factors.yaml"
    factors.write_text(factors.read_text().replace("        flags: [placeholder]\n", ""))
    version_folder = str(folder / "water_refill/v1")
    assert run("methodology", "publish", version_folder, "--on", "2026-11-22").exit_code == 0
    return folder


def test_the_register_is_fit_for_use() -> None:
    checked = run("factors", "check", "--on", "2026-11-22")

    assert checked.exit_code == 0, checked.output
    rows = len(load_catalogue().register.rows)
    assert f"{rows} rows on 2026-11-22" in checked.output


def test_a_review_that_is_due_is_shown_and_one_that_is_overdue_refuses() -> None:
    soon, late = (run("factors", "check", "--on", day) for day in ("2027-06-30", "2029-01-01"))

    assert (soon.exit_code, late.exit_code) == (0, 1)
    assert "warning (reviewed-in-time) factors/" in soon.output
    assert "refused (reviewed-in-time) factors/" in late.output


def test_a_real_receipt_is_equal(receipt: Path) -> None:
    verified = run("receipt", "verify", str(receipt))

    assert verified.exit_code == 0, verified.output
    assert "transit.metro@1.0.0: 794,592 mg" in verified.output


def test_a_changed_receipt_says_where(receipt: Path) -> None:
    forged = json.loads(receipt.read_bytes())
    forged["assessment"]["lines"][0]["value"] = "9999"
    receipt.write_text(json.dumps(forged))

    verified = run("receipt", "verify", str(receipt))

    assert verified.exit_code == 1
    said = '/assessment/lines/0/value: the receipt says "9999", it is "1289.6"'
    assert said in verified.output


@pytest.mark.parametrize(
    ("content", "why"), [(b"{", "it is not JSON"), (b"{}", "it is not a receipt")]
)
def test_a_file_that_is_no_receipt_is_said(tmp_path: Path, content: bytes, why: str) -> None:
    file = tmp_path / "no.json"
    file.write_bytes(content)

    verified = run("receipt", "verify", str(file))

    assert verified.exit_code == 1
    assert why in verified.output


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    for path in (tmp_path / "none.json", tmp_path):
        verified = run("receipt", "verify", str(path))

        assert verified.exit_code == 1
        assert "cannot be read" in verified.output


def test_a_receipt_of_an_unknown_version_says_what_to_do(receipt: Path) -> None:
    forged = receipt.read_text().replace("transit.metro@1.0.0", "transit.metro@8.0.0")
    receipt.write_text(forged)

    verified = run("receipt", "verify", str(receipt))

    assert verified.exit_code == 1
    assert "transit.metro@8.0.0 is not among the published ones" in verified.output


def test_a_skeleton_holds_and_is_not_published_as_it_is(tmp_path: Path) -> None:
    made = run("methodology", "new", "water.refill", "--folder", str(tmp_path))
    checked = run("methodology", "check", str(tmp_path))
    published = run("methodology", "publish", str(tmp_path / "water_refill/v1"))

    assert (made.exit_code, checked.exit_code, published.exit_code) == (0, 0, 1)
    assert "(draft): 4 cases" in checked.output
    assert "still the value of the skeleton" in published.output
    assert not (tmp_path / "LOCK").exists()


@pytest.mark.parametrize("id_", ["Water", "water", "water.refill.a.b.c", "../x.y", "water.Refill"])
def test_an_id_that_is_none_is_refused(tmp_path: Path, id_: str) -> None:
    made = run("methodology", "new", id_, "--folder", str(tmp_path))

    assert made.exit_code == 1
    assert "is not an id" in made.output
    assert not list(tmp_path.iterdir())


def test_a_skeleton_never_overwrites(tmp_path: Path) -> None:
    runs = [run("methodology", "new", "water.refill", "--folder", str(tmp_path)) for _ in range(2)]

    assert [one.exit_code for one in runs] == [0, 1]
    assert "is there already" in runs[1].output


@pytest.mark.parametrize(
    ("file", "old", "new", "why"),
    [
        ("cases.yaml", '"3690"', '"3691"', "credited_mg is 3690, not 3691"),
        ("cases.yaml", "refused: implausible", "refused: out_of_period", "implausible"),
        ("methodology.yaml", "{items} * {before}", "{items} * {after}", "gross_g is 0, not 4.5"),
        ("methodology.yaml", "{items} * {before}", "{items} * before", "baseline, character 11 of"),
        ("methodology.yaml", "unit: items", "unit: bananas", "'bananas' does not parse"),
        ("factors.yaml", "source: own", "source: hearsay", "every-value-has-a-source"),
    ],
)  # fmt: skip
def test_a_draft_that_does_not_hold_is_said(
    tmp_path: Path, file: str, old: str, new: str, why: str
) -> None:
    run("methodology", "new", "water.refill", "--folder", str(tmp_path))
    path = tmp_path / "water_refill/v1" / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))

    checked = run("methodology", "check", str(tmp_path / "water_refill"))

    assert checked.exit_code == 1
    assert why in checked.output.replace("\n", "")


@pytest.mark.parametrize(
    ("file", "old", "new", "why"),
    [
        ("methodology.yaml", "{items} * {before}", "{items} * {after}",
         "is not the sum of estimate.py"),
        ("estimate.py", "from decimal import Decimal", "import os\nfrom decimal import Decimal",
         "it knows more than arithmetic and the contract: os"),
        ("estimate.py", 'inputs.numbers["items"]', 'inputs.numbers["itemz"]', "KeyError"),
        ("estimate.py", "", "", "holds"),
    ],
)  # fmt: skip
def test_code_beside_the_formulas_is_held_against_them(
    tmp_path: Path, file: str, old: str, new: str, why: str
) -> None:
    run("methodology", "new", "water.refill", "--folder", str(tmp_path))
    folder = tmp_path / "water_refill/v1"
    (folder / "estimate.py").write_text(CODE)
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new, 1))

    checked = run("methodology", "check", str(tmp_path / "water_refill"))

    assert checked.exit_code == (0 if why == "holds" else 1)
    assert why in checked.output.replace("\n", "")


def test_a_published_version_cannot_be_published_again(mine: Path) -> None:
    again = run("methodology", "publish", str(mine / "water_refill/v1"))

    assert again.exit_code == 1
    assert "is published already" in again.output


def test_a_later_version_must_say_what_it_changes(mine: Path) -> None:
    later = mine / "water_refill/v1_1"
    shutil.copytree(mine / "water_refill/v1", later)
    sheet = later / "methodology.yaml"
    draft = sheet.read_text().replace('version: "1.0.0"', 'version: "1.1.0"')
    draft = draft.replace("status: published", "status: draft")
    said = "changes: {reason: A better bottle., effect: None so far., reviewer: Ann.}\n"
    tried = []

    for more in ("", said.replace(", reviewer: Ann.", ""), said):
        sheet.write_text(draft + more)
        tried.append(run("methodology", "publish", str(later)))

    assert [one.exit_code for one in tried] == [1, 1, 0]
    assert "water.refill@1.1.0 must say its changes" in tried[0].output.replace("\n", "")
    assert "'reviewer' is missing" in tried[1].output


@pytest.mark.parametrize("name", ["METHODOLOGY_PATH", "SAXAUL_METHODOLOGY_PATH"])
def test_a_folder_of_others_is_used(mine: Path, tmp_path: Path, name: str) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    path = os.pathsep.join((str(empty), str(mine)))

    tried = run("methodology", "try", "water.refill", '{"items": 4}', **{name: path})

    assert tried.exit_code == 0, tried.output
    assert "4920" in tried.output


@pytest.mark.parametrize(
    ("break_it", "why"),
    [
        (lambda mine: (mine / "LOCK").unlink(), "LOCK:1: water.refill@1.0.0 is published, not"),
        (lambda mine: (mine / "notes").mkdir(), "notes:1: a methodology needs a folder"),
        (lambda mine: (mine / "water_refill/v1/cases.yaml").unlink(), "(rule worked-cases)"),
    ],
)
def test_a_broken_folder_of_others_is_refused_by_name(mine: Path, break_it, why: str) -> None:
    break_it(mine)

    tried = run("methodology", "try", "transit.metro", '{"distance_km": 4}',
                METHODOLOGY_PATH=str(mine))  # fmt: skip

    assert tried.exit_code == 1
    assert str(mine) in tried.output.replace("\n", "")
    assert why in tried.output.replace("\n", "")


def test_a_folder_that_is_not_there_is_said() -> None:
    tried = run("methodology", "try", "transit.metro", "{}", METHODOLOGY_PATH="/no/such/folder")

    assert tried.exit_code == 1
    assert "/no/such/folder:1: there is no such folder" in tried.output


@pytest.mark.parametrize(
    ("data", "why"), [("{", "not JSON"), ("[]", "a JSON object"), ("{}", "items")]
)
def test_data_that_cannot_be_tried_is_said(mine: Path, data: str, why: str) -> None:
    tried = run("methodology", "try", "water.refill", data, METHODOLOGY_PATH=str(mine))

    assert tried.exit_code == 1
    assert why in tried.output


def test_the_site_has_a_page_for_every_version_and_loses_old_ones(
    mine: Path, tmp_path: Path
) -> None:
    site = tmp_path / "site"
    with_mine = run("methodology", "site", str(site), METHODOLOGY_PATH=str(mine))
    assert (site / "water.refill-1.0.0.html").is_file(), with_mine.output

    built = run("methodology", "site", str(site))

    assert built.exit_code == 0
    expected = {f"{one.id}-{one.version}.html" for one in load_catalogue().editions()}
    assert expected <= {path.name for path in site.iterdir()}
    assert not (site / "water.refill-1.0.0.html").exists()


def test_the_former_name_of_the_site_still_builds_it_and_says_the_new_one(tmp_path: Path) -> None:
    built = run("book", str(tmp_path / "site"))

    assert built.exit_code == 0
    assert "`saxaul methodology site`" in built.stderr
    assert "methodology site" not in built.stdout
    assert (tmp_path / "site/index.html").is_file()


def test_what_a_sum_costs_is_measured() -> None:
    found = orjson.loads(orjson.dumps(measure(calls=2)))

    assert found["cases"] >= 60
    assert 0 < found["assess_us_median"] <= found["assess_us_max"]
    assert found["load_s"] > 0


def test_up_says_which_folder_of_others_is_broken_and_starts_nothing(tmp_path: Path) -> None:
    home = tmp_path / "home"

    started = run("up", METHODOLOGY_PATH="/no/such/folder", SAXAUL_HOME=str(home))

    assert started.exit_code == 1
    assert "/no/such/folder:1: there is no such folder" in started.output
    assert not home.exists()

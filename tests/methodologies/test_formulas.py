"""Formulas that do the sum: the same figures as code does, and nothing but formulas."""

import contextlib
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal, DivisionByZero, InvalidOperation, localcontext
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from methodologies.arithmetic import ARITHMETIC, evaluate
from methodologies.catalogue import Catalogue
from methodologies.contract import (
    CatalogueBroken,
    DataInvalid,
    FactorNotFound,
    FactorTable,
    FactorValues,
    Inputs,
    Refusal,
)
from methodologies.folder import CODE, PACKAGED, Version, read_version
from methodologies.formulas import FormulaInvalid, Names, compile_formulas, estimator_of
from methodologies.register import Register
from methodologies.resolved import resolve
from methodologies.values import Input

PATHS = {read_version(path).edition.reference: path for path in PACKAGED.glob("*/v*/")}
VERSIONS = {reference: read_version(path) for reference, path in PATHS.items()}
# One formula a rule, and the first rule whose inputs are given: these need no code. The others
# choose a rule by a value, such as `end_fate: disposed`, or in another order than the sheet's.
WITHOUT_CODE = (
    "cycle.bike.regional_standard@1.0.0", "cycle.ebike@1.0.0", "digital.service_trip@1.0.0",
    "ev.charge@1.0.0", "ev.drive@1.0.0", "ev.drive@1.1.0",
    "office.duplex@1.0.0", "office.lights_off@1.0.0", "pack.circular_box@1.0.0",
    "pack.original_box@1.0.0", "paper.ewaybill@1.0.0", "transit.bus@1.0.0", "transit.metro@1.0.0",
    "work.remote@1.0.0",
)  # fmt: skip
METRO = "transit_metro/v1"


@cache
def by_formulas(reference: str) -> Version:
    """A published version as it would be without its estimate.py."""
    path = PATHS[reference]
    with TemporaryDirectory() as folder:
        copy = Path(folder) / path.parent.name / path.name
        shutil.copytree(path, copy)
        (copy / CODE).unlink()
        return read_version(copy)


def values_of(one: Input) -> st.SearchStrategy[Any]:
    """Values of an input that can be read; a few are outside its limits."""
    if one.kind in ("number", "count"):
        assert one.low is not None
        assert one.high is not None
        places = 0 if one.kind == "count" else 6
        inside = st.decimals(one.low, one.high, places=places)
        return st.one_of(inside, inside, inside, st.sampled_from([one.low, one.high, 10**9]))
    if one.kind == "choice":
        return st.sampled_from(one.choices)
    if one.kind == "numbers":
        return st.lists(values_of(one.columns[0]), min_size=1, max_size=one.at_most)
    if one.kind == "rows":
        return st.lists(data_of(one.columns), min_size=1, max_size=one.at_most)
    if one.kind == "ids":
        return st.lists(st.sampled_from("abcdef"), min_size=1, max_size=3, unique=True)
    return {
        "switch": st.booleans(),
        "id": st.sampled_from("abcdef"),
        "text": st.text("abc", min_size=1, max_size=4),
    }[one.kind]


def data_of(inputs: tuple[Input, ...]) -> st.SearchStrategy[dict[str, Any]]:
    """An event's data: what is required, and any of the rest."""
    return st.fixed_dictionaries(
        {one.name: values_of(one) for one in inputs if one.required},
        optional={one.name: values_of(one) for one in inputs if not one.required},
    )


@st.composite
def events(draw: st.DrawFn, version: Version) -> tuple[str, date, dict[str, Any]]:
    """Region, day and data of an event of one version, often one that it credits."""
    cases = [one for one in version.cases if one.credited_mg and one.region]
    case = draw(st.sampled_from(cases)) if cases else None
    data = draw(data_of(version.inputs))
    if case and draw(st.booleans()):  # near a worked case, so that limits between inputs hold
        data = {**case.data, **draw(st.sampled_from([{}, *({n: v} for n, v in data.items())]))}
    usual = [case.region] if case else []
    region = draw(st.sampled_from([*usual, *usual, "CN", "CN-BJ", "GB", "US", "FR", "ZZ"]))
    some = st.dates(date(2020, 12, 1), date(2036, 1, 31))
    return region, draw(st.one_of(st.just(case.day), some) if case else some), data


def outcome(version: Version, region: str, day: date, data: dict[str, Any]) -> object:
    """What an event gives, without what names the folder.

    Where several factors have no value that day, code and formulas may name another one first.
    """
    alone = replace(version, edition=replace(version.edition, status="published"))
    catalogue = Catalogue((alone,), Register((), ()))
    try:
        found = catalogue.assess(
            alone.edition.activity, region=region, day=day, level="L4", data=data
        )
    except DataInvalid as invalid:
        return invalid.errors
    if isinstance(found, Refusal):
        return found.reason if found.reason == "no_methodology" else found
    return found[:7], found.u_permille


@pytest.mark.parametrize("reference", WITHOUT_CODE)
@settings(max_examples=25)
@given(data=st.data())
def test_formulas_alone_give_what_the_code_gives(reference: str, data: st.DataObject) -> None:
    version = VERSIONS[reference]

    event = data.draw(events(version))

    assert outcome(by_formulas(reference), *event) == outcome(version, *event)


@pytest.mark.parametrize("reference", WITHOUT_CODE)
def test_formulas_alone_give_every_worked_case(reference: str) -> None:
    version = VERSIONS[reference]
    credited = 0

    for case in version.cases:
        event = (case.region or "", case.day, dict(case.data))
        found = outcome(by_formulas(reference), *event)
        assert found == outcome(version, *event), case.name
        credited += isinstance(found, tuple)

    assert credited


@pytest.mark.parametrize("reference", sorted(VERSIONS))
@settings(max_examples=15)
@given(data=st.data())
def test_the_compiled_lines_of_a_rule_are_those_of_the_code(
    reference: str, data: st.DataObject
) -> None:
    version, compiled = VERSIONS[reference], by_formulas(reference)
    region, day, given_ = data.draw(events(version))

    same_lines(version, compiled, region, day, given_)


@pytest.mark.parametrize("reference", sorted(VERSIONS))
def test_every_rule_with_a_case_is_compared(reference: str) -> None:
    version, compiled = VERSIONS[reference], by_formulas(reference)

    compared = {
        same_lines(version, compiled, case.region, case.day, dict(case.data))
        for case in version.cases
        if case.credited_mg is not None and case.region
    }

    assert compared == {name for rules in version.branches.values() for name in rules}


def same_lines(
    version: Version, compiled: Version, region: str, day: date, data: dict[str, Any]
) -> str:
    """The rule whose three lines were compared; empty where the code gives no sum."""
    code, formulas = resolve(version, region, day), resolve(compiled, region, day)
    if code.refusal:
        return ""
    try:
        inputs, _, _, _ = code.read(data)
        with localcontext(ARITHMETIC):
            lines = code.estimate(inputs, code.table)
    except (DataInvalid, FactorNotFound):
        return ""
    rule = formulas.rules[lines.branch].branch.compiled
    assert rule
    assert rule.can(inputs)
    with localcontext(ARITHMETIC):
        try:
            worked_out = rule.work_out(inputs, formulas.table)
        except FactorNotFound:
            return ""  # the code reads less where a switch is off
    assert worked_out == lines
    return lines.branch


NUMBERS = Names(frozenset("ab"), frozenset("s"), frozenset("t"), frozenset())


def compile_one(text: str, names: Names = NUMBERS) -> Callable[..., Decimal]:
    lines = {"baseline": text, "project": "0", "leakage": "0"}
    roles = frozenset(("f", "g"))
    found = compile_formulas("r", lines, roles=roles, names=names, file="x/v1/methodology.yaml")
    return lambda inputs, values: found.work_out(inputs, {"r": values}).baseline_g


@st.composite
def sums(draw: st.DrawFn, depth: int = 4) -> str:
    """A written sum of plain numbers."""
    if depth == 0 or draw(st.booleans()):
        number = draw(st.decimals(0, 10**6, places=draw(st.integers(0, 4))))
        return f"{number:f}"
    one, other = draw(sums(depth - 1)), draw(sums(depth - 1))
    return draw(
        st.sampled_from(
            [f"{one} + {other}", f"{one} - {other}", f"{one} * {other}", f"{one}/{other}",
             f"({one} - {other})", f"min({one}, {other})", f"max({one},{other})", f"-{one}",
             f"- ({one})"]
        )
    )  # fmt: skip


@given(sums())
def test_a_compiled_sum_is_the_evaluated_one(text: str) -> None:
    try:
        expected = evaluate(text)
    except ValueError:
        expected = None
    nothing = Inputs({}, {}, {}, {}, {})
    compiled = compile_one(text)

    with localcontext(ARITHMETIC):
        if expected is None:
            with pytest.raises((DivisionByZero, InvalidOperation)):
                compiled(nothing, {})
        else:
            found = compiled(nothing, {})
            assert (found, str(found)) == (expected, str(expected))


@given(st.one_of(st.text(), st.text("0123456789.+-*/()[]{}, :abfgst_minax", max_size=40)))
def test_any_text_is_a_formula_or_is_refused(text: str) -> None:
    with contextlib.suppress(FormulaInvalid):
        assert callable(compile_one(text))


def test_names_stand_for_roles_numbers_switches_and_choices() -> None:
    compiled = compile_one("{f} * {a} + {s} * {t} - {b}")
    inputs = Inputs(
        {"a": Decimal(3), "b": Decimal("0.5")}, {"t": "g"}, {"s": True}, {}, {}
    )  # fmt: skip
    values = FactorValues({"f": Decimal(2), "g": Decimal(10)}, {"": "no {role}"})

    assert compiled(inputs, values) == Decimal("15.5")
    inputs.switches["s"] = False
    assert compiled(inputs, values) == Decimal("5.5")


@pytest.mark.parametrize(
    ("formula", "at", "why"),
    [
        ("{distance_km} * mix", 17, "only numbers"),
        ("{distance_km} ** {mix}", 16, "a number, a name in braces or a parenthesis"),
        ("{distance_km} // 2", 16, "a number, a name in braces or a parenthesis"),
        ("{distance_km} {mix}", 15, "a sign such as + or * is expected"),
        ("{distance_km} *", 16, "a number, a name in braces or a parenthesis"),
        ("({distance_km} * {mix}", 23, "')' is expected"),
        ("{distance_km} * {mix})", 22, "a sign such as + or *"),
        ("min({distance_km})", 18, "',' is expected"),
        ("max(1, 2, 3)", 9, "')' is expected"),
        ("1e5", 2, "only numbers"),
        (".5 * {mix}", 1, "only numbers"),
        ("{distance_km}.real", 14, "only numbers"),
        ("__import__('os')", 1, "only numbers"),
        ("{mix} if {distance_km} else 0", 7, "only numbers"),
        ("lambda: {mix}", 1, "only numbers"),
        ("(" * 21 + "1" + ")" * 21, 22, "more than 20"),
        ("-" * 21 + "1", 22, "more than 20"),
        ("1" + " + 1" * 300, 1, "more than 1000 characters"),
    ],
)
def test_a_bad_formula_is_refused_with_file_line_and_character(
    folder: Path, formula: str, at: int, why: str
) -> None:
    sheet = folder / METRO / "methodology.yaml"
    text = sheet.read_text(encoding="utf-8")
    old = '"{distance_km} * {mix} * 1000"'
    line = text[: text.index(old)].count("\n") + 1
    sheet.write_text(text.replace(old, f'"{formula}"', 1), encoding="utf-8")
    (folder / METRO / CODE).unlink()

    with pytest.raises(CatalogueBroken) as broken:
        read_version(folder / METRO)

    assert (broken.value.file, broken.value.line) == (f"{METRO}/methodology.yaml", line)
    assert broken.value.reason.startswith(f"baseline, character {at} of ")
    assert why in broken.value.reason


def test_a_column_that_may_be_left_out_cannot_be_in_a_formula_that_does_the_sum(
    folder: Path,
) -> None:
    sheet = folder / "work_video/v1/methodology.yaml"
    text = sheet.read_text(encoding="utf-8")
    old = "km_round_trip: {kind: number, unit: km, required: true,"
    assert old in text
    sheet.write_text(text.replace(old, old.replace(" required: true,", "")), encoding="utf-8")
    (folder / "work_video/v1" / CODE).unlink()

    with pytest.raises(CatalogueBroken, match=r"\{km_round_trip\} may be left out of an entry"):
        read_version(folder / "work_video/v1")


def test_an_event_that_no_rule_fits_is_refused_with_what_each_needs() -> None:
    names = Names(frozenset("ab"), frozenset(), frozenset(), frozenset("ab"))
    rules = {
        name: compile_formulas(
            name, {"baseline": f"{{{one}}}", "project": "0", "leakage": "0"},
            roles=frozenset(), names=names, file="x",
        )
        for name, one in (("first", "a"), ("second", "b"))
    }  # fmt: skip
    empty = FactorValues({}, {})
    both = FactorTable({"first": empty, "second": empty}, "no rule '{branch}'")
    one = FactorTable({"first": empty}, "no rule '{branch}'")
    a, b = Inputs({"a": Decimal(1)}, {}, {}, {}, {}), Inputs({"b": Decimal(7)}, {}, {}, {}, {})
    estimate = estimator_of(rules, both)

    assert estimate(a, both) == ("first", 1, 0, 0)
    assert estimate(b, both) == ("second", 7, 0, 0)
    assert estimate(a._replace(numbers={**a.numbers, **b.numbers}), both).branch == "first"
    with pytest.raises(FactorNotFound, match="first needs a; second needs b"):
        estimate(a._replace(numbers={}), both)
    with pytest.raises(FactorNotFound, match="no rule 'second'"):
        estimator_of(rules, one)(b, one)

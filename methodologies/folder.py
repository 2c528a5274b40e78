"""Reads version folders into `Version`s, and checks all of them. No choice of version, no sums.

A version folder holds methodology.yaml, factors.yaml, cases.yaml, and estimate.py if its sum is
more than one formula for each rule.
"""

import importlib.util
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from methodologies.branches import Branches, compiled, named_by, read_branches
from methodologies.cases import Case, read_cases
from methodologies.contract import LEVELS, CatalogueBroken, Edition, Status
from methodologies.digest import digest_of
from methodologies.document import Cursor, read_document
from methodologies.factors import Factors, read_factors
from methodologies.formulas import Estimator, names_of
from methodologies.inputs import InputReader
from methodologies.sheet import (
    check_attribution,
    read_bands,
    read_conditions,
    read_inputs,
    read_names,
    read_ratios,
    read_together,
)
from methodologies.values import Input

PACKAGED = Path(__file__).resolve().parent
NO_METHODOLOGY = ("__pycache__", "factors")  # the second is the register's
PACKAGED_CODE = ("authoring", "catalogue_site", "cli")  # folders of this package that are code
CODE = "estimate.py"
FILES = ("cases.yaml", "factors.yaml", "methodology.yaml")

_VERSION = re.compile(r"[1-9][0-9]{0,3}\.[0-9]{1,4}\.[0-9]{1,4}", re.ASCII)
_ID = re.compile(r"[a-z_]{1,30}(\.[a-z_][a-z0-9_]{0,29}){0,3}", re.ASCII)
_MEANINGS = (
    "title",
    "approach",
    "baseline",
    "project",
    "boundary",
    "gases",
    "uncertainty",
    "double_counting",
    "exclusivity",
    "overlap",
)


@dataclass(frozen=True, slots=True, eq=False)
class Version:
    """All that one version folder says, ready for use. Without `estimate`, formulas do the sum."""

    edition: Edition
    inputs: tuple[Input, ...]
    reader: InputReader
    branches: Branches
    factors: Factors
    estimate: Estimator | None
    cases: tuple[Case, ...]


def read_folder(folder: Path) -> tuple[Version, ...]:
    """Read every `<methodology>/v<version>` of a folder, by name.

    CatalogueBroken: a version is not fit for use, or another folder or file stands there.
    """
    versions = []
    for methodology in _folders_in(folder):
        inside = _folders_in(methodology)
        if not inside:
            raise CatalogueBroken(methodology.name, 1, "a methodology needs a folder such as v1")
        for path in methodology.iterdir():
            if path.is_file() or not re.fullmatch(r"v[1-9][0-9_]*|__pycache__", path.name):
                raise CatalogueBroken(
                    f"{methodology.name}/{path.name}", 1, "only folders such as v1 belong here"
                )
        versions += [read_version(version) for version in inside]
    return tuple(versions)


def published_in(versions: tuple[Version, ...]) -> dict[str, str]:
    """Return the digest of each published version, by reference."""
    return {
        version.edition.reference: version.edition.digest
        for version in versions
        if version.edition.status == "published"
    }


def _folders_in(folder: Path) -> list[Path]:
    others = (*NO_METHODOLOGY, *PACKAGED_CODE) if folder == PACKAGED else NO_METHODOLOGY
    return sorted(path for path in folder.iterdir() if path.is_dir() and path.name not in others)


def read_version(folder: Path) -> Version:
    """Read one version folder and check it.

    CatalogueBroken: with the file, the line and the reason, whatever is wrong with it.
    """
    shown = f"{folder.parent.name}/{folder.name}"
    _check_files(folder, shown)
    root = read_document(folder / "methodology.yaml", shown_as=f"{shown}/methodology.yaml")
    factors = read_factors(read_document(folder / "factors.yaml", shown_as=f"{shown}/factors.yaml"))
    sheet = root.table(
        needs=[
            "id",
            "version",
            "status",
            "published_on",
            "activity",
            "evidence",
            "inputs",
            "daily",
            "rules",
            *_MEANINGS,
        ],
        may=[
            "any_of",
            "together",
            "ratios",
            "conditions",
            "bands",
            "distinct",
            "yearly",
            "attribution",
            "changes",
        ],
    )
    for name in _MEANINGS:
        sheet[name].plain()
    check_attribution(sheet.get("attribution"))
    _check_changes(sheet.get("changes"))
    inputs = read_inputs(sheet["inputs"])
    bands = read_bands(sheet.get("bands"), inputs)
    names = names_of(inputs, bands)
    branches = read_branches(sheet["rules"], names=names, factors=frozenset(factors))
    estimate = _load_estimate(folder / CODE, shown) if (folder / CODE).is_file() else None
    if estimate is None:
        branches = compiled(branches, names)
    _refuse_unread(factors, branches, shown=shown)
    edition = _read_edition(root, sheet, inputs, regions=tuple(branches), folder=folder)
    return Version(
        edition=edition,
        inputs=inputs,
        reader=InputReader(
            edition.activity,
            inputs,
            any_of=read_names(sheet.get("any_of"), inputs),
            together=read_together(sheet.get("together"), inputs),
            ratios=read_ratios(sheet.get("ratios"), inputs),
            conditions=read_conditions(sheet.get("conditions"), inputs),
            bands=bands,
            distinct=read_names(sheet.get("distinct"), inputs),
        ),
        branches=branches,
        factors=factors,
        estimate=estimate,
        cases=read_cases(read_document(folder / "cases.yaml", shown_as=f"{shown}/cases.yaml")),
    )


def _check_files(folder: Path, shown: str) -> None:
    if not (folder / "methodology.yaml").is_file():
        raise CatalogueBroken(
            f"{shown}/methodology.yaml", 1, "a methodology folder needs this file"
        )
    found = {path.name for path in folder.iterdir()} - {"__pycache__", CODE}
    for name in sorted(found ^ set(FILES)):
        reason = "is missing" if name in FILES else "does not belong into a version folder"
        rule = "worked-cases" if name == "cases.yaml" else None
        raise CatalogueBroken(f"{shown}/{name}", 1, f"the file {reason}", rule)


def _read_edition(
    root: Cursor,
    sheet: Mapping[str, Cursor],
    inputs: tuple[Input, ...],
    *,
    regions: tuple[str, ...],
    folder: Path,
) -> Edition:
    id_, version = sheet["id"].text(), sheet["version"].text()
    if not _ID.fullmatch(id_):
        raise sheet["id"].broken(f"{id_!r} is not an id such as transit.metro")
    if not _VERSION.fullmatch(version):
        raise sheet["version"].broken(f"{version!r} is not a version such as 1.0.0")
    expected = f"{id_.replace('.', '_')}/v{re.sub(r'([.]0)+$', '', version).replace('.', '_')}"
    if expected != f"{folder.parent.name}/{folder.name}":
        raise sheet["id"].broken(f"{id_} {version} belongs into {expected}")
    daily = sheet["daily"].table(needs=["actions", "quantity", "gross_g"])
    quantity, quantity_max = _read_quantity(daily["quantity"], inputs)
    yearly_per, yearly_max = _read_yearly(sheet.get("yearly"), inputs, quantity)
    evidence = sheet["evidence"].table(needs=["minimum", "why"])
    return Edition(
        id=id_,
        version=version,
        reference=f"{id_}@{version}",
        activity=sheet["activity"].text(),
        title=sheet["title"].text(),
        status=cast("Status", sheet["status"].one_of(["draft", "published"])),
        published_on=sheet["published_on"].day(),
        regions=regions,
        minimum_level=evidence["minimum"].one_of(LEVELS),
        quantity=quantity,
        daily_actions=None if daily["actions"].is_null() else daily["actions"].count(),
        daily_quantity_milli=quantity_max,
        daily_gross_mg=None if daily["gross_g"].is_null() else daily["gross_g"].count() * 1000,
        yearly_quantity_milli=yearly_max,
        yearly_per=yearly_per,
        digest=digest_of(folder),
        sheet=cast("Mapping[str, object]", root.plain()),
    )


def _read_quantity(daily: Cursor, inputs: tuple[Input, ...]) -> tuple[str | None, int | None]:
    if daily.is_null():
        return None, None
    given = daily.table(needs=["input", "at_most"])
    name = given["input"].one_of([one.name for one in inputs if one.low is not None])
    return name, given["at_most"].count() * 1000


def _check_changes(changes: Cursor | None) -> None:
    """What rule 6.1 asks of a later version: why, what it changes of the last year, who read it."""
    if changes is not None:
        for text in changes.table(needs=["reason", "effect", "reviewer"]).values():
            text.text()


def _read_yearly(
    yearly: Cursor | None, inputs: tuple[Input, ...], quantity: str | None
) -> tuple[str | None, int | None]:
    if yearly is None:
        return None, None
    given = yearly.table(needs=["input", "at_most", "per"])
    given["input"].one_of([quantity] if quantity else [])
    per = given["per"].one_of([one.name for one in inputs if one.kind == "id"])
    return per, given["at_most"].count() * 1000


def _refuse_unread(factors: Factors, branches: Branches, *, shown: str) -> None:
    read = {
        id_
        for region in branches.values()
        for branch in region.values()
        for reference in branch.factors.values()
        for id_ in named_by(reference, factors)
    }
    for id_ in factors:
        if id_ not in read:
            raise CatalogueBroken(f"{shown}/factors.yaml", 1, f"no rule reads the factor {id_}")


def _load_estimate(path: Path, shown: str) -> Estimator:
    name = f"methodologies.{path.parent.parent.name}.{path.parent.name}.estimate"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise CatalogueBroken(f"{shown}/estimate.py", 1, "the file is not a Python module")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except SyntaxError as wrong:
        raise CatalogueBroken(f"{shown}/estimate.py", wrong.lineno or 1, str(wrong.msg)) from wrong
    except ImportError as wrong:
        raise CatalogueBroken(f"{shown}/estimate.py", 1, str(wrong)) from wrong
    estimate = getattr(module, "estimate", None)
    if not callable(estimate):
        raise CatalogueBroken(f"{shown}/estimate.py", 1, "the function 'estimate' is missing")
    return cast("Estimator", estimate)

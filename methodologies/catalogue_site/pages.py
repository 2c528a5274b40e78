"""The catalogue site: the same pages for a static site and for the API. Pure but for reading files.

Links are relative and nothing comes from elsewhere, so the pages work from a folder, offline.
"""

import re
from collections import Counter
from collections.abc import Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

import orjson
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from methodologies.branches import ABOVE_ALL_BANDS, BANDS
from methodologies.catalogue import Catalogue
from methodologies.catalogue_site.sheets import case_of, head_of, rows_of, sheet_of
from methodologies.contract import PROGRAMME_START, Edition
from methodologies.document import read_document
from methodologies.folder import PACKAGED

TEMPLATES = Path(__file__).with_name("templates")
NOT_READY = PACKAGED / "NOT_READY.yaml"
MARKS = {
    "S": "Seen in its source.",
    "S2": "Seen in a copy of its source: a transcription or a press article.",
    "M": "From memory. In use only with a waiver, and to be checked against the original.",
    "D": "Derived here, with the arithmetic, or chosen by judgement.",
}
# What a page shows in a part of its own; whatever else a sheet declares is shown as it is written.
SHOWN = frozenset(
    ("id", "version", "title", "status", "published_on", "activity", "approach", "baseline",
     "project", "boundary", "gases", "evidence", "inputs", "any_of", "ratios", "conditions",
     "daily", "rules", "uncertainty", "double_counting", "exclusivity", "overlap", "changes")
)  # fmt: skip
OF_A_RULE = frozenset(
    ("u_pct", "cf", "why", "factors", "formulas", "flags", "valid_from", "valid_to")
)
OF_AN_INPUT = frozenset(
    ("kind", "unit", "required", "min", "max", "soft_max", "default", "choices", "claim", "counts",
     "why")
)  # fmt: skip
_NAME = re.compile(r"\{([a-z_0-9]+)\}")
_SITE = re.compile(r"(https?://)?[a-z0-9-]+(\.[a-z0-9-]+)+(/[^\s;]*)?", re.ASCII)


def write_site(catalogue: Catalogue, folder: Path) -> tuple[str, ...]:
    """Write every page into a folder; the answer is their names. Pages of older builds go."""
    folder.mkdir(parents=True, exist_ok=True)
    pages = site_pages(catalogue)
    for old in folder.glob("*.html"):
        if old.name not in pages:
            old.unlink()
    for name, content in pages.items():
        (folder / name).write_text(content, encoding="utf-8", newline="\n")
    return tuple(pages)


def site_pages(catalogue: Catalogue) -> dict[str, str]:
    """Every page by its file name, and the style sheet."""
    environment = _environment()
    heads = [_head(edition) for edition in catalogue.editions()]
    pages = {
        "index.html": _index(environment, catalogue, heads),
        "not-ready.html": environment.get_template("not_ready.html").render(
            here="not-ready.html", not_ready=read_not_ready(NOT_READY)
        ),
        **_factor_pages(environment, catalogue, heads),
    }
    for edition, head in zip(catalogue.editions(), heads, strict=True):
        versions = [one for one in heads if one["id"] == edition.id][::-1]
        pages[head["href"]] = _methodology(environment, catalogue, edition, versions)
    pages["catalogue.css"] = (TEMPLATES / "catalogue.css").read_text(encoding="utf-8")
    return pages


def example_of(catalogue: Catalogue, edition: Edition) -> dict[str, Any] | None:
    """The first case that is credited, worked out by the version itself; None if there is none."""
    for case in catalogue.cases(edition.id, edition.version):
        if case.credited_mg:
            sum_ = catalogue.explain(
                edition.activity,
                region=case.region,
                day=case.day,
                level=case.level,
                data=case.data,
                version=edition.reference,  # a draft may share its activity with another method
            )
            assert sum_.credited_mg is not None
            return {
                "case": case_of(case),
                "lines": sum_.lines,
                "credited_mg": sum_.credited_mg,
                "credited": mass_text(sum_.credited_mg),
            }
    return None


def mass_text(mg: int) -> str:
    """Milligrams as people read them: 794.592 g, 51.904 kg."""
    unit, size = ("kg", 10**6) if mg >= 10**7 else ("g", 10**3)
    whole, part = divmod(mg, size)
    text = f"{whole:,}.{part:0{len(str(size)) - 1}d}".rstrip("0").rstrip(".")
    return f"{text} {unit} CO2e"


def read_not_ready(path: Path) -> list[dict[str, str]]:
    """Methods that are not there yet: id, title and why. A missing file has none."""
    if not path.is_file():
        return []
    root = read_document(path, shown_as=path.name)
    found = []
    for item in root.items():
        fields = item.table(needs=["id", "title", "why"])
        found.append({name: cursor.text() for name, cursor in fields.items()})
    return found


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"words": _words, "first_upper": _first_upper}
    environment.globals |= {
        "begins": _begins,
        "count": _count,
        "formula": _formula,
        "json": _json,
        "link": _link,
        "marks": MARKS,
        "outcome": _outcome,
        "remarks": _remarks,
        "status": _status,
        "times": _times,
    }
    return environment


def _head(edition: Edition) -> dict[str, Any]:
    changes = edition.sheet.get("changes")
    return {
        **head_of(edition),
        "reference": edition.reference,
        "href": f"{edition.id}-{edition.version}.html",
        "changes": changes if isinstance(changes, dict) else {"reason": "First published."},
    }


def _index(environment: Environment, catalogue: Catalogue, heads: list[dict[str, Any]]) -> str:
    newest = {head["id"]: head for head in heads}  # they come with older versions first
    groups = groupby(newest.values(), key=lambda head: head["id"].partition(".")[0])
    low = ["0", *(str(upper) for upper, _ in BANDS)]
    bands = [
        *(
            (f"{below} to {upper} percent", cf)
            for below, (upper, cf) in zip(low, BANDS, strict=False)
        ),
        (f"above {low[-1]} percent", ABOVE_ALL_BANDS),
    ]
    return environment.get_template("index.html").render(
        here="index.html",
        groups=[(name, list(some)) for name, some in groups],
        activities=len(newest),
        editions=len(heads),
        rows=len(catalogue.register.rows),
        cases=sum(len(catalogue.cases(one["id"], one["version"])) for one in heads),
        bands=bands,
    )


def _factor_pages(
    environment: Environment, catalogue: Catalogue, heads: list[dict[str, Any]]
) -> dict[str, str]:
    rows = rows_of(catalogue, id_=None, region=None, on=None)
    areas: list[dict[str, Any]] = [
        {"title": one.title, "about": one.about, "rows": len(one.rows), "name": one.name,
         "href": f"factors-{one.name}.html"}
        for one in catalogue.register.areas
    ]  # fmt: skip
    alone = sum(row["area"] is None for row in rows)
    if alone:
        about = "Values of methodologies of others, which no register holds."
        areas.append({"title": "Of others", "about": about, "rows": alone, "name": None,
                      "href": "factors-of-others.html"})  # fmt: skip
    hrefs = {head["reference"]: head["href"] for head in heads}
    overview = environment.get_template("factors.html")
    page = environment.get_template("area.html")
    totals = Counter(dict.fromkeys(MARKS, 0))
    totals.update(row["confidence"] for row in rows)
    return {
        "factors.html": overview.render(here="factors.html", areas=areas, totals=totals),
        **{
            area["href"]: page.render(
                here="",
                area=area,
                rows=[row for row in rows if row["area"] == area["name"]],
                hrefs=hrefs,
            )
            for area in areas
        },
    }


def _methodology(
    environment: Environment,
    catalogue: Catalogue,
    edition: Edition,
    versions: list[dict[str, Any]],
) -> str:
    whole = sheet_of(catalogue, edition)
    one = next(head for head in versions if head["reference"] == edition.reference)
    return environment.get_template("methodology.html").render(
        here="",
        one=one,
        newest=versions[0],
        versions=versions,
        sheet=_with_all_fields(edition.sheet),
        factors=whole["factors"],
        ids={factor["id"] for factor in whole["factors"]},
        cases=whole["cases"],
        example=example_of(catalogue, edition),
        limits=_limits(edition),
        further={name: one for name, one in edition.sheet.items() if name not in SHOWN},
    )


def _with_all_fields(sheet: Mapping[str, Any]) -> dict[str, Any]:
    """The sheet with what its rules and inputs may leave out."""
    absent = dict.fromkeys(("valid_from", "valid_to", "flags", "why"))
    inputs = dict.fromkeys(
        ("unit", "soft_max", "choices", "default", "claim", "counts", "required", "why")
    )
    return {
        **sheet,
        "rules": {
            region: {
                name: {**absent, **rule, "further": _further(rule, OF_A_RULE)}
                for name, rule in rules.items()
            }
            for region, rules in sheet["rules"].items()
        },
        "inputs": {name: {**inputs, **one} for name, one in sheet["inputs"].items()},
    }


def _further(given: Mapping[str, Any], known: frozenset[str]) -> list[str]:
    """What else is declared, in the words of the sheet."""
    return [f"{_words(name)}: {_json(one)}" for name, one in given.items() if name not in known]


def _limits(edition: Edition) -> list[str]:
    """The limits of a day, between inputs and on evidence, a sentence each."""
    sheet: Any = edition.sheet
    sentences = []
    if edition.daily_actions is not None:
        sentences.append(f"At most {edition.daily_actions} actions of a person a day.")
    if edition.daily_quantity_milli is not None:
        unit = sheet["inputs"][edition.quantity].get("unit", "")
        most = edition.daily_quantity_milli // 1000
        sentences.append(f"At most {most} {unit} of {edition.quantity} of a person a day.")
    if edition.daily_gross_mg is not None:
        sentences.append(f"At most {edition.daily_gross_mg // 1000} g gross of a person a day.")
    if sheet.get("any_of"):
        sentences.append(f"One of {', '.join(sheet['any_of'])} is needed.")
    sentences += [
        f"{_first_upper(one['name'])} ({one['over']} over {one['under']}): "
        f"{one['min']} to {one['max']} {one['unit']}."
        for one in sheet.get("ratios") or ()
    ]
    sentences += [f"{_first_upper(one['why'])}." for one in sheet.get("conditions") or ()]
    return sentences


def _remarks(one: Mapping[str, Any]) -> str:
    """What else is said about an input."""
    parts = [
        "required" if one["required"] else "",
        f"{one['default']} if left out" if one["default"] else "",
        f"names a {one['claim']}, credited once" if one["claim"] else "",
        f"as many as {one['counts']}" if one["counts"] else "",
        *_further(one, OF_AN_INPUT),
        str(one["why"] or ""),
    ]
    return "; ".join(part for part in parts if part)


def _outcome(case: Mapping[str, Any]) -> str:
    expect = case["expect"]
    if "refused" in expect:
        return f"Refused: {_words(expect['refused'])}."
    if "invalid" in expect:
        return f"Sent back: {expect['invalid']} cannot be read."
    flags = f" Flags: {', '.join(expect['flags'])}." if expect.get("flags") else ""
    return f"Gross {expect['gross_g']} g; credited {int(expect['credited_mg']):,} mg CO2e.{flags}"


def _status(status: str) -> Markup:
    kind = {"published": "good", "withdrawn": "warn", "draft": "warn"}.get(status, "")
    return Markup('<li class="tag {}">{}</li>').format(kind, status)


def _begins(head: Mapping[str, Any]) -> Markup:
    """From which days on a version assesses, where that is not all of them."""
    if head["in_force_from"] == PROGRAMME_START.isoformat():
        return Markup()
    return Markup('<li class="tag warn">for days from {}</li>').format(head["in_force_from"])


def _formula(text: str) -> Markup:
    """A written formula with its names set as variables."""
    parts = _NAME.split(_times(text))
    return Markup("").join(
        Markup("<var>{}</var>").format(_words(part)) if index % 2 else escape(part)
        for index, part in enumerate(parts)
    )


def _link(url: str) -> Markup:
    """A link where a source has an address; other locators stay text."""
    if not _SITE.fullmatch(url):
        return Markup("<code>{}</code>").format(url)
    address = url if url.startswith("http") else f"https://{url}"
    return Markup('<a href="{}" rel="noreferrer">{}</a>').format(address, url)


def _times(text: str) -> str:
    return text.replace(" * ", " × ").replace(" - ", " − ")


def _words(name: str) -> str:
    return name.replace("_", " ")


def _first_upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _json(value: object) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()

"""The pages of the catalogue site: whole, self-contained, and with examples that are worked out."""

import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import pytest

from methodologies.catalogue import load_catalogue
from methodologies.catalogue_site.pages import example_of, mass_text, read_not_ready, site_pages
from methodologies.contract import Assessment, CatalogueBroken, Edition

CATALOGUE = load_catalogue()
PAGES = site_pages(CATALOGUE)
HTML = sorted(name for name in PAGES if name.endswith(".html"))
VOID = {"meta", "link", "br", "hr", "img", "input"}


class Look(HTMLParser):
    """What a page is made of."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.headings: list[int] = []
        self.wrong: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)
        self.links += [given[name] or "" for name in ("href", "src") if name in given]
        self.ids += [given["id"] or ""] if "id" in given else []
        if re.fullmatch(r"h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if "style" in given or tag in {"script", "img", "iframe"}:
            self.wrong.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"</{tag}>")


@cache
def look_at(name: str) -> Look:
    """What a page of the site is made of: every other page has links into it."""
    return Look(PAGES[name])


@pytest.mark.parametrize("name", HTML)
def test_a_page_is_well_made(name: str) -> None:
    look = look_at(name)

    assert not look.wrong
    assert not look.open
    assert look.headings.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in zip(look.headings, look.headings[1:],
                                                              strict=False))  # fmt: skip
    assert len(set(look.ids)) == len(look.ids)
    assert "viewport" in PAGES[name]
    assert '<html lang="en">' in PAGES[name]


@pytest.mark.parametrize("name", HTML)
def test_a_link_inside_the_site_leads_somewhere(name: str) -> None:
    for link in look_at(name).links:
        if link.startswith("https://"):
            continue
        page, _, fragment = link.partition("#")
        assert (page or name) in PAGES, link
        assert not fragment or fragment in look_at(page or name).ids, link


def test_nothing_is_loaded_from_elsewhere() -> None:
    for name in HTML:
        assert re.findall(r'<link[^>]* href="([^"]*)"', PAGES[name]) == ["catalogue.css"]
    assert "url(" not in PAGES["catalogue.css"]
    assert "@import" not in PAGES["catalogue.css"]
    assert "prefers-color-scheme: dark" in PAGES["catalogue.css"]


@pytest.mark.parametrize("edition", CATALOGUE.editions(), ids=lambda one: one.reference)
def test_the_example_of_a_page_is_a_case_and_gives_what_it_says(edition: Edition) -> None:
    example = example_of(CATALOGUE, edition)
    cases = {case.name: case for case in CATALOGUE.cases(edition.id, edition.version)}

    if example is None:
        assert not any(case.credited_mg for case in cases.values())
        return
    assert example["credited_mg"] == cases[example["case"]["name"]].credited_mg
    page = PAGES[f"{edition.id}-{edition.version}.html"]
    assert f'<p class="result">{mass_text(example["credited_mg"])}</p>' in page
    assert example["lines"][-1].value == str(example["credited_mg"])


@pytest.mark.parametrize("edition", CATALOGUE.editions(), ids=lambda one: one.reference)
def test_a_page_says_all_that_a_reviewer_needs(edition: Edition) -> None:
    page = PAGES[f"{edition.id}-{edition.version}.html"]

    for id_ in ("example", "formula", "factors", "inputs", "honest", "cases", "versions"):
        assert f'id="{id_}"' in page
    for factor in CATALOGUE.factors_of(edition.id, edition.version):
        assert f"<code>{factor.id}</code>" in page
    assert edition.digest in page


def test_a_later_version_says_from_which_day_and_what_it_changes() -> None:
    later = CATALOGUE.edition("ev.drive", "1.1.0")
    changes = later.sheet["changes"]
    assert isinstance(changes, dict)

    for name in ("ev.drive-1.0.0.html", "ev.drive-1.1.0.html"):
        for text in changes.values():
            assert text in PAGES[name]
    assert "for days from 2026-12-06" in PAGES["ev.drive-1.1.0.html"]
    assert "for days from 2026-12-06" in PAGES["index.html"]


@pytest.mark.parametrize("edition", CATALOGUE.editions(), ids=lambda one: one.reference)
def test_a_draft_is_called_a_draft_and_nothing_else_is(edition: Edition) -> None:
    page = PAGES[f"{edition.id}-{edition.version}.html"]
    is_draft = edition.status == "draft"

    assert ("No action is assessed by it" in page) is is_draft
    assert ('<li class="tag warn">draft</li>' in page) is is_draft
    assert (f"published {edition.published_on}" in page) is not is_draft


def test_there_is_a_draft_and_its_example_is_its_own() -> None:
    draft = CATALOGUE.edition("cycle.bike.regional_standard", "1.0.0")
    example = example_of(CATALOGUE, draft)
    assert example is not None
    case = next(
        case for case in CATALOGUE.cases(draft.id, draft.version)
        if case.name == example["case"]["name"]
    )  # fmt: skip

    under = CATALOGUE.assess_under(
        draft.reference, region=case.region, day=case.day, level=case.level, data=case.data
    )

    assert isinstance(under, Assessment)
    assert under.methodology == draft.reference
    assert under.credited_mg == example["credited_mg"]


def test_every_row_of_the_register_is_on_a_page() -> None:
    pages = "".join(PAGES[name] for name in HTML if name.startswith("factors-"))

    assert all(f"<code>{row.factor.id}</code>" in pages for row in CATALOGUE.register.rows)


def test_texts_claim_nothing_more() -> None:
    for page in PAGES.values():
        own = re.sub(r'<td data-label="source">.*?</td>', "", page, flags=re.DOTALL)  # titles
        assert not re.search(r"carbon[- ]neutral|net[- ]zero|CO2 saved|offset your", own, re.I)


@pytest.mark.parametrize(
    ("mg", "text"),
    [
        (794_592, "794.592 g CO2e"),
        (3_540, "3.54 g CO2e"),
        (1_000, "1 g CO2e"),
        (51_903_000, "51.903 kg CO2e"),
        (9_999_999, "9,999.999 g CO2e"),
    ],
)
def test_a_mass_is_written_without_rounding(mg: int, text: str) -> None:
    assert mass_text(mg) == text


def test_methods_that_are_not_ready_are_read_where_they_are_listed(tmp_path: Path) -> None:
    file = tmp_path / "NOT_READY.yaml"
    assert read_not_ready(file) == []

    file.write_text("- {id: food.local, title: Local food, why: no factor}\n")
    assert read_not_ready(file) == [{"id": "food.local", "title": "Local food", "why": "no factor"}]

    file.write_text("- {id: food.local}\n")
    with pytest.raises(CatalogueBroken, match="'title' is missing"):
        read_not_ready(file)

"""What a certificate shows: a page for people, a PDF with its own font, nothing of the person."""

import re
from io import BytesIO

import httpx
import pytest
from fastapi import FastAPI
from fontTools.ttLib import TTFont
from grove import PRICE, a_project, ordered, with_points

from service.web.certificate_pdf import FONT

HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture
async def placed(app: FastAPI, partner: httpx.AsyncClient) -> dict:
    project = await a_project(app, planting_partner="Green <hands> & co")
    alice = await with_points(app, PRICE)
    placed = await ordered(partner, project, alice)
    return {**placed, "subject": alice}


async def test_a_browser_gets_a_page(public: httpx.AsyncClient, placed: dict) -> None:
    answer = await public.get(placed["certificate_url"], headers=HTML)

    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "梭梭" in answer.text
    assert placed["serial"] in answer.text
    assert "Green &lt;hands&gt; &amp; co" in answer.text
    assert "not surveyed yet" in answer.text
    assert answer.text.count("<svg") == 3
    assert "style=" not in answer.text
    assert "$" not in answer.text


async def test_a_program_gets_json(public: httpx.AsyncClient, placed: dict) -> None:
    answer = await public.get(
        placed["certificate_url"].lower().replace("certificates", "certificates")
    )

    assert answer.headers["vary"] == "Accept"
    assert answer.json()["serial"] == placed["serial"]
    assert answer.json()["url"] == f"http://saxaul.test/v1/certificates/{placed['serial']}"


async def test_nothing_tells_whose_it_is(
    public: httpx.AsyncClient, partner: httpx.AsyncClient, placed: dict
) -> None:
    shown = (await public.get(placed["certificate_url"])).text
    page = (await public.get(placed["certificate_url"], headers=HTML)).text

    for text in (shown, page):
        assert placed["subject"] not in text
        assert placed["order_id"] not in text
        assert "person" not in text


async def test_the_pdf_has_its_font_inside(public: httpx.AsyncClient, placed: dict) -> None:
    answer = await public.get(placed["certificate_url"] + ".pdf")

    assert answer.headers["content-type"] == "application/pdf"
    assert answer.content.startswith(b"%PDF-")
    assert b"/FontFile2" in answer.content
    assert re.search(rb"/Count 1\b", answer.content)
    assert len(answer.content) < 100_000


def test_the_font_has_the_names_of_the_demo() -> None:
    known = TTFont(BytesIO(FONT.read_bytes())).getBestCmap()

    assert all(ord(letter) in known for letter in "梭梭柠条红柳胡杨沙棘éäß…–")


@pytest.mark.parametrize("serial", ["SX-00000-00000-0001", "nonsense", "SX-0000000000000"])
async def test_a_slip_of_the_pen_is_not_found(public: httpx.AsyncClient, serial: str) -> None:
    for path in (serial, f"{serial}.pdf"):
        answer = await public.get(f"/v1/certificates/{path}")

        assert (answer.status_code, answer.json()["type"]) == (
            404,
            "/problems/certificate-not-found",
        )

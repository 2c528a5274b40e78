"""PDFs that were made before are not made again, as long as they show the same."""

import asyncio
from datetime import UTC, datetime
from typing import Any

from service.errors import CertificatesBusy
from service.forest.schemas import CertificateView, LotWhole
from service.web.certificate_cache import WAITING_MAX, CertificateCache


def a_certificate(state: str = "pledged", **changes: Any) -> CertificateView:
    lot = LotWhole(
        lot="grove-001", project_id="grove", state=state, trees=4, planted=0, surviving=None,
        reports=[],
    )  # fmt: skip
    whole: dict[str, Any] = {
        "serial": "SX-05N71-YPJC1-T20A", "state": "valid", "display_name": None,
        "issued_at": datetime(2026, 6, 15, tzinfo=UTC), "voided_at": None,
        "url": "https://saxaul.test/v1/certificates/SX-05N71-YPJC1-T20A", "project_id": "grove",
        "project_name": "Saxaul", "place": "Alxa League", "region": "CN-NM",
        "planting_partner": "Green hands", "species": "saxaul",
        "scientific_name": "Haloxylon ammodendron", "local_name": "梭梭", "english_name": "Saxaul",
        "contributors": [], "lot": lot, **changes,
    }  # fmt: skip
    return CertificateView(**whole)


async def test_many_who_ask_at_once_get_the_same_pdf() -> None:
    certificates = CertificateCache()

    first, *others = await asyncio.gather(*(certificates.pdf_of(a_certificate()) for _ in range(5)))

    assert first.startswith(b"%PDF")
    assert all(one is first for one in others)


async def test_another_state_of_the_lot_is_another_pdf() -> None:
    certificates = CertificateCache()

    before = await certificates.pdf_of(a_certificate())
    after = await certificates.pdf_of(a_certificate("funded"))

    assert before != after


async def test_those_asked_for_last_are_kept() -> None:
    certificates = CertificateCache(kept_max=2)
    one, two, three = (a_certificate(serial=f"SX-{number}") for number in range(3))

    first, second = await certificates.pdf_of(one), await certificates.pdf_of(two)
    again = await certificates.pdf_of(one)
    await certificates.pdf_of(three)

    assert again is first
    assert await certificates.pdf_of(one) is first
    assert await certificates.pdf_of(two) is not second


async def test_a_certificate_has_one_pdf_at_a_time() -> None:
    certificates = CertificateCache(kept_max=2)
    other = await certificates.pdf_of(a_certificate(serial="SX-1"))

    for state in ("pledged", "funded", "planted", "pledged"):
        await certificates.pdf_of(a_certificate(state))

    assert await certificates.pdf_of(a_certificate(serial="SX-1")) is other


async def test_not_everybody_can_wait_for_a_pdf() -> None:
    certificates = CertificateCache()
    many = (a_certificate(serial=f"SX-{number}") for number in range(WAITING_MAX + 5))

    found = await asyncio.gather(
        *(certificates.pdf_of(one) for one in many), return_exceptions=True
    )

    assert sum(isinstance(one, bytes) for one in found) == WAITING_MAX
    assert sum(isinstance(one, CertificatesBusy) for one in found) == 5
    assert (await certificates.pdf_of(a_certificate(serial="SX-99"))).startswith(b"%PDF")

"""Use case: read a certificate with its tree's state today. It shows no person but chosen names."""

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncSession

from service.errors import CertificateNotFound
from service.forest import pool_store, store
from service.forest.lot import LotNow
from service.forest.plant import find_lot
from service.forest.schemas import CertificateView, Contributor, LotReportView, LotView, LotWhole
from service.forest.serial import read_serial

SHARE_PLACES = 4


async def read_certificate(session: AsyncSession, serial: str, *, url: str) -> CertificateView:
    """Return a certificate by its serial, however it was typed. `url` is where such serials are
    shown.

    Raises CertificateNotFound; its text tells a wrong check character from an unknown serial.
    """
    read = read_serial(serial)
    if read is None:
        raise CertificateNotFound(
            f"{serial!r} is no serial: its check characters do not fit. Compare each letter."
        )
    row = await store.find_certificate(session, *read)
    if row is None:
        raise CertificateNotFound(f"There is no certificate {read[1]}.")
    lot = await whole_lot(session, row["lot"])
    return CertificateView(
        **{
            name: row[name]
            for name in CertificateView.model_fields
            if name in row and name != "lot"
        },
        state="valid" if row["voided_at"] is None else "void",
        url=url + row["serial"],
        project_id=row["project"],
        contributors=await _contributors(session, row),
        lot=lot,
    )


async def whole_lot(session: AsyncSession, lot: str) -> LotWhole:
    """Return a lot with its reports. Raises LotNotFound."""
    found = await find_lot(session, lot)
    reports = [
        LotReportView(
            **{name: one[name] for name in ("state", "planted", "surviving", "photos", "note")},
            on=one["on_day"],
            by=one["reported_by"],
        )
        for one in await store.reports_of(session, lot)
    ]
    return LotWhole(**view_of_lot(found).model_dump(), reports=reports)


def view_of_lot(lot: LotNow) -> LotView:
    """Return the wire shape of a lot."""
    return LotView(
        lot=lot.lot,
        project_id=lot.project,
        state=lot.state,
        trees=lot.trees,
        planted=lot.planted,
        surviving=lot.surviving,
    )


async def _contributors(session: AsyncSession, row: RowMapping) -> list[Contributor]:
    if row["pool_id"] is None:
        return []
    pool = await pool_store.find_pool(session, row["bucket"], row["pool_id"])
    assert pool is not None  # pools stay
    return [
        Contributor(
            display_name=one.display_name,
            points=one.points,
            share=_share(one.points, pool.points),
        )
        for one in await pool_store.members_of(session, pool)
        if one.points
    ]


def _share(part: int, whole: int) -> str:
    parts = part * 10**SHARE_PLACES // whole
    return f"{parts // 10**SHARE_PLACES}.{parts % 10**SHARE_PLACES:04}"

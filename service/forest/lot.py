"""What may become of a lot, and what a report about it must say. Pure."""

from dataclasses import dataclass
from datetime import date
from hashlib import sha256

PLEDGED, FUNDED, PLANTED, ACCEPTED = "pledged", "funded", "planted", "accepted"
SURVEYED, REPLACED, LOST = "surveyed", "replaced", "lost"

# Contracted trees wait in `pledged`; `funded` means that the partner is paid and plants them.
NEXT: dict[str, tuple[str, ...]] = {
    PLEDGED: (FUNDED,),
    FUNDED: (PLANTED,),
    PLANTED: (ACCEPTED, LOST),
    ACCEPTED: (SURVEYED, LOST),
    SURVEYED: (SURVEYED, REPLACED, LOST),
    REPLACED: (SURVEYED, LOST),
    LOST: (REPLACED,),
}
REPORTED = (PLANTED, ACCEPTED, SURVEYED, REPLACED, LOST)
REFUNDABLE = (PLEDGED, FUNDED)
COUNTS_SURVIVING = (SURVEYED, REPLACED)
PHOTOS_MAX, PHOTO_CHARS_MAX, NOTE_CHARS_MAX = 50, 300, 500


@dataclass(frozen=True, slots=True)
class Report:
    """What somebody found at a lot on a day. Photos are references, not pictures."""

    lot: str
    state: str
    on: date
    by: str
    planted: int | None = None
    surviving: int | None = None
    photos: tuple[str, ...] = ()
    note: str = ""

    @property
    def digest(self) -> bytes:
        """Return a SHA-256 that is the same for the same report, whatever file it comes in."""
        parts = (
            self.lot, self.state, self.on.isoformat(), self.by, str(self.planted),
            str(self.surviving), *self.photos, "", self.note,
        )  # fmt: skip
        return sha256("\0".join(parts).encode()).digest()


@dataclass(frozen=True, slots=True)
class LotNow:
    """A lot as it is: trees contracted, planted, and surviving if it was surveyed."""

    lot: str
    project: str
    number: int
    state: str
    trees: int
    planted: int
    surviving: int | None
    last_report: date | None


def objection(report: Report, lot: LotNow, today: date) -> tuple[str, str] | None:
    """Return (field, what is wrong with it), or None when the report may be recorded."""
    if report.state not in NEXT[lot.state]:
        after = " or ".join(one for one in NEXT[lot.state] if one in REPORTED) or "funding"
        return "state", f"{lot.lot} is {lot.state}; next is {after}, not {report.state}"
    if report.on > today:
        return "on", f"{report.on} is in the future"
    if lot.last_report is not None and report.on < lot.last_report:
        return "on", f"{report.on} is before the report of {lot.last_report}"
    return _wrong_planted(report, lot) or _wrong_surviving(report, lot)


def after(report: Report, lot: LotNow) -> tuple[int, int | None]:
    """Return (planted, surviving) of the lot once the report is recorded."""
    if report.state == PLANTED:
        assert report.planted is not None
        return report.planted, None
    if report.state == LOST:
        return lot.planted, 0
    return lot.planted, report.surviving if report.state in COUNTS_SURVIVING else lot.surviving


def _wrong_planted(report: Report, lot: LotNow) -> tuple[str, str] | None:
    if report.state != PLANTED:
        return ("planted", "is only said when planted") if report.planted is not None else None
    if report.planted is None:
        return "planted", "say how many trees were planted"
    if not 1 <= report.planted <= lot.trees:
        return "planted", f"must be 1 to {lot.trees}, the trees of the lot; not {report.planted}"
    return None


def _wrong_surviving(report: Report, lot: LotNow) -> tuple[str, str] | None:
    if report.state not in COUNTS_SURVIVING:
        said = report.surviving is not None
        return ("surviving", "is only said when surveyed or replaced") if said else None
    if report.surviving is None:
        return "surviving", "say how many trees live"
    if not 0 <= report.surviving <= lot.planted:
        return (
            "surviving",
            f"must be 0 to {lot.planted}, the trees planted; not {report.surviving}",
        )
    return None

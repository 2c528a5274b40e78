"""How long a ride took at least, by its distance: read from SPEEDS.yaml. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path

from methodologies.document import Cursor, read_document

FILE = Path(__file__).parent / "SPEEDS.yaml"
CONFIDENCE = ("S", "S2", "M", "D")  # as in the register
SEVERAL = ("trips", "trip_ids")
HOUR_S = 3_600


@dataclass(frozen=True, slots=True)
class Fastest:
    """The fastest plausible speed, over the input that holds the distance in kilometres."""

    input: str
    kmh: Decimal


@dataclass(frozen=True, slots=True)
class Speeds:
    """The speeds by activity, for actions of local days from `start` on."""

    start: date
    tolerance_s: int
    fastest: Mapping[str, Fastest]

    def shortest_s(self, activity: str, day: date, data: Mapping[str, object]) -> int:
        """Return the seconds that a ride took at least, less the tolerance; 0 when unknown."""
        one = self.fastest.get(activity)
        if one is None or day < self.start or any(name in data for name in SEVERAL):
            return 0
        distance = data.get(one.input)
        if distance is None or isinstance(distance, (bool, list)):
            return 0
        try:
            km = distance if isinstance(distance, Decimal) else Decimal(str(distance))
        except InvalidOperation:
            return 0
        return max(0, int(km * HOUR_S / one.kmh) - self.tolerance_s)


def load_speeds(file: Path = FILE) -> Speeds:
    """Read SPEEDS.yaml. CatalogueBroken: it is not fit for use, with file, line and reason."""
    root = read_document(file, shown_as=file.name).table(
        needs=["from", "tolerance_s", "why_tolerance", "fastest"]
    )
    root["why_tolerance"].text()
    fastest = {name.text(): _fastest(entry) for name, entry in root["fastest"].entries()}
    return Speeds(root["from"].day(), root["tolerance_s"].count(), fastest)


def _fastest(entry: Cursor) -> Fastest:
    fields = entry.table(needs=["input", "kmh", "source", "confidence"])
    fields["source"].text()
    fields["confidence"].one_of(CONFIDENCE)
    kmh = fields["kmh"].number()
    if kmh <= 0:
        raise fields["kmh"].broken("a speed is above 0")
    return Fastest(fields["input"].text(), kmh)

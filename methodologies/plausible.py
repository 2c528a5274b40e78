"""How many grams an action gives on average: read from PLAUSIBLE.yaml. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from methodologies.document import Cursor, read_document

FILE = Path(__file__).parent / "PLAUSIBLE.yaml"


class Means(NamedTuple):
    """The lowest and highest plausible mean of an activity, in mg CO2e credited an action."""

    least_mg: int
    most_mg: int

    def hold(self, mean_mg: int) -> bool:
        """Return whether a mean lies between the two, both included."""
        return self.least_mg <= mean_mg <= self.most_mg


@dataclass(frozen=True, slots=True)
class Plausible:
    """The plausible means by activity, and the fewest actions of which a mean is judged."""

    least_actions: int
    means: Mapping[str, Means]


def load_plausible(file: Path = FILE) -> Plausible:
    """Read PLAUSIBLE.yaml. CatalogueBroken: it is not fit for use, with file, line and reason."""
    root = read_document(file, shown_as=file.name).table(
        needs=["least_actions", "why_least", "means_g"]
    )
    root["why_least"].text()
    means = {name.text(): _means(entry) for name, entry in root["means_g"].entries()}
    return Plausible(root["least_actions"].count(), means)


def _means(cursor: Cursor) -> Means:
    fields = cursor.table(needs=["least", "most"])
    least, most = fields["least"].number(), fields["most"].number()
    if least >= most:
        raise cursor.broken(f"least ({least} g) must be below most ({most} g)")
    return Means(int(least * 1000), int(most * 1000))

"""How many grams an action gives on average: read from PLAUSIBLE.yaml. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from methodologies.document import Cursor, read_document

FILE = Path(__file__).parent / "PLAUSIBLE.yaml"


class Means(NamedTuple):
    """Between which credited means an activity is plausible, in mg CO2e an action."""

    least_mg: int
    most_mg: int

    def hold(self, mean_mg: int) -> bool:
        """Whether a mean lies within, both ends included."""
        return self.least_mg <= mean_mg <= self.most_mg


@dataclass(frozen=True, slots=True)
class Plausible:
    """The means by activity, and from how many actions on they are asked for."""

    least_actions: int
    means: Mapping[str, Means]


def load_plausible(file: Path = FILE) -> Plausible:
    """CatalogueBroken: with file, line and reason, for what is not fit for use."""
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

"""Do units parse? With pint, when something is checked or published; never at start-up or in a sum.

Carbon dioxide and its equivalent are dimensions of their own: they are not added to each other.
"""

import re
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pint

# Things that are counted. Each is a dimension of its own: a gram per bag is no gram per cup.
COUNTED = (
    "action", "appliance", "bag", "bill", "book", "bottle", "box", "box_life", "car", "charge",
    "cup", "device", "document", "donation", "email", "employee", "invoice", "item", "meal",
    "night", "order", "page", "pair", "parcel", "participant", "pass", "person", "phone", "piece",
    "plant", "ply", "product", "receipt", "reuse", "ride", "round_trip", "room", "session", "set",
    "sheet", "step", "ticket", "transaction", "tree", "trip", "unit", "use", "vehicle", "visit",
    "wash", "waybill", "FTE", "energy", "currency",
)  # fmt: skip
_SINGULAR = {"people": "person", "boxes": "box", "passes": "pass", "plies": "ply"}
_SINGULAR |= {f"{name}s": name for name in COUNTED}
# Words as they stand in sources, and the same for the parser, whose names are Python's.
_WORDS = (
    (" CO2e", "CarbonEq"),
    ("CO2e", "CarbonEq"),
    ("CO2", "Carbon"),
    ("US gal", "gallon"),
    (" round trip", " * round_trip"),
    (" per box life", " / box_life"),
    (" per ", " / "),
    (" energy", " * energy"),
    ("100km", "hundred_km"),
    ("FTE-hour", "(FTE * hour)"),
    ("participant-hours", "(participant * hour)"),
    ("participant-hour", "(participant * hour)"),
)
_QUALIFIER = re.compile(r" over \d+ [a-z]+$")  # "kg/m2 over 50 uses": says how, changes no unit
_AREAS = {"m2": "meter**2", "m3": "meter**3", "cm2": "centimeter**2"}
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
# Names with * and / between them, a product in parentheses at most. The parser itself would also
# take sums and numbers, and stumble over nonsense.
_TERM = r"([A-Za-z_]+(\*\*[23])?|\([A-Za-z_]+ \* [A-Za-z_]+\))"
_UNIT = re.compile(rf"{_TERM}( ?[*/] ?{_TERM})*")


class PintMissing(RuntimeError):
    """Units are to be parsed, and pint is not installed: who only verifies does not need it."""

    def __init__(self) -> None:
        super().__init__(
            "units are parsed with pint, which is not installed here: "
            "pip install 'saxaul-methodologies[authoring]'"
        )


@cache
def registry() -> "pint.UnitRegistry[Any]":
    """Pint's units, and those of this field. PintMissing: pint is not installed."""
    # Half a second to import and build: paid by what checks units, not by every command.
    try:
        import pint  # noqa: PLC0415
    except ModuleNotFoundError as missing:
        raise PintMissing from missing

    units: pint.UnitRegistry[Any] = pint.UnitRegistry()
    units.define("gCarbon = [carbon_dioxide]")
    units.define("gCarbonEq = [carbon_dioxide_equivalent]")
    for gas in ("Carbon", "CarbonEq"):
        units.define(f"t{gas} = 1e6 * g{gas}")
        units.define(f"lb{gas} = 453.59237 * g{gas}")
    for name in COUNTED:
        units.define(f"{_counted(name)} = [{name}_counted]")
    units.define("kWp = kilowatt")  # at the peak, under the light of the standard
    units.define("hundred_km = 100 * kilometer")
    units.define("pkm = counted_person * kilometer")
    units.define("vkm = counted_vehicle * kilometer")
    units.define("tkm = tonne * kilometer")
    units.define("fraction = []")
    units.define("multiplier = []")
    return units


def refusal_of(unit: str) -> str | None:
    """Return what is wrong with a unit, or None when it parses. PintMissing: see there."""
    text = _QUALIFIER.sub("", unit)
    for word, name in _WORDS:
        text = text.replace(word, name)
    text = _NAME.sub(lambda found: _name(found[0]), text)
    if not _UNIT.fullmatch(text):
        return f"the unit {unit!r} does not parse: write names with * and / between them"
    try:
        registry().parse_units(text)
    except AttributeError as wrong:  # pint's UndefinedUnitError is one
        return f"the unit {unit!r} does not parse: {wrong}"
    return None


def _name(word: str) -> str:
    """A word as the registry has it: counted things in the singular, apart from Python's words."""
    single = _SINGULAR.get(word, word)
    return _counted(single) if single in COUNTED else _AREAS.get(word, word)


def _counted(name: str) -> str:
    return f"counted_{name}"

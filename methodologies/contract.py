"""What a methodology takes and gives, and the errors of this package. No arithmetic, no files.

Units: `_g` grams of CO2e (or of CO2 where the sheet covers CO2 only), `_mg` whole milligrams,
`_milli` thousandths of the quantity's own unit, `_pct` percent.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal, NamedTuple

PROGRAMME_START = date(2021, 1, 1)
PROGRAMME_END = date(2035, 12, 31)
LEVELS = ("L0", "L1", "L2", "L3", "L4")

RefusalReason = Literal["no_methodology", "implausible", "out_of_period", "evidence_too_weak"]
Status = Literal["draft", "published", "withdrawn"]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A methodology gives no result. An outcome to be stored and shown, not an error.

    `detail` is a sentence that names the input, factor or day and the limit that was passed.
    """

    reason: RefusalReason
    detail: str


@dataclass(frozen=True, slots=True, eq=False)
class Edition:
    """One frozen version of a methodology: what it covers and which limits a day has.

    The three daily limits bound one person, one local day: the number of actions, the sum of the
    input named `quantity` in thousandths of its unit, and the sum of gross mg. None: no limit.
    `yearly` bounds the sum of that same quantity over a calendar year, for each thing that the id
    input `yearly_per` names.
    """

    id: str
    version: str
    reference: str  # "id@version"
    activity: str
    title: str
    status: Status
    published_on: date
    regions: tuple[str, ...]
    minimum_level: str
    quantity: str | None
    daily_actions: int | None
    daily_quantity_milli: int | None
    daily_gross_mg: int | None
    yearly_quantity_milli: int | None
    yearly_per: str | None
    digest: str  # "sha256:..." of the folder, as in LOCK
    sheet: Mapping[str, object]  # methodology.yaml as read, ready for JSON
    in_force_from: date = PROGRAMME_START  # the first day of actions that it may assess


class Assessment(NamedTuple):
    """The result for one action; a named tuple, since one is made for every event.

    `gross_mg` keeps its sign and is truncated towards zero. `credited_mg` is
    floor(max(0, exact gross in g) * 1000 * CF), never negative.
    """

    methodology: str  # "transit.metro@1.0.0"
    gross_mg: int
    credited_mg: int
    claims: tuple[str, ...]  # "kind:value" of each underlying thing
    quantity_milli: int
    flags: tuple[str, ...]
    region: str  # whose rule was used: "CN" for an action in CN-ZJ
    edition: Edition
    u_permille: int  # relative uncertainty at 95 percent, in thousandths: the class of the branch


@dataclass(frozen=True, slots=True)
class ClaimKind:
    """`is_world`: the thing is the same whoever reports it; else only among one partner's reports.

    `issuer` is the input that names who issued the number, where the number does not carry it.
    """

    is_world: bool
    issuer: str | None = None


class Inputs(NamedTuple):
    """An event's data as read. An optional input that was not given is not in its mapping."""

    numbers: dict[str, Decimal]
    texts: dict[str, str]
    switches: dict[str, bool]
    ids: dict[str, tuple[str, ...]]
    rows: dict[str, "tuple[Inputs, ...]"]  # of a list; a bare number has the list's own name


class Estimate(NamedTuple):
    """The lines of one sum, in grams, and the branch of the sheet that they belong to."""

    branch: str
    baseline_g: Decimal
    project_g: Decimal
    leakage_g: Decimal


class FactorNotFound(LookupError):
    """An estimate asked for a rule or a value that is not in force. Becomes a `Refusal`."""


class FactorValues(dict[str, Decimal]):
    """The values of one branch on one day, by the role they play in the formula."""

    __slots__ = ("absent",)

    def __init__(self, values: Mapping[str, Decimal], absent: Mapping[str, str]) -> None:
        super().__init__(values)
        self.absent = absent

    def __missing__(self, role: str) -> Decimal:
        raise FactorNotFound(self.absent.get(role) or self.absent[""].format(role=role))


class FactorTable(dict[str, FactorValues]):
    """The branches that the sheet has for one region and day. Reading another one is refused."""

    __slots__ = ("absent",)

    def __init__(self, branches: Mapping[str, FactorValues], absent: str) -> None:
        super().__init__(branches)
        self.absent = absent

    def __missing__(self, branch: str) -> FactorValues:
        raise FactorNotFound(self.absent.format(branch=branch))


class UnknownActivity(ValueError):
    """No published methodology is about this activity."""

    def __init__(self, activity: str, known: frozenset[str]) -> None:
        self.activity = activity
        self.known = known
        super().__init__(
            f"no methodology is about {activity!r}; the known activities are "
            + ", ".join(sorted(known))
        )


class UnknownEdition(LookupError):
    """No methodology has this id and version."""

    def __init__(self, id_: str, version: str) -> None:
        self.id = id_
        self.version = version
        super().__init__(f"there is no methodology {id_}@{version}")


class DataInvalid(ValueError):
    """The event's data cannot be read. `errors`: (input name, what is wrong and what to do)."""

    def __init__(self, *errors: tuple[str, str]) -> None:
        self.errors = errors
        super().__init__("; ".join(f"{name}: {wrong}" for name, wrong in errors))


class CatalogueBroken(ValueError):
    """A methodology folder is not fit for use, so the program must not start.

    `rule` is the name of the rule that is broken, where it has one (see the README beside this).
    """

    def __init__(self, file: str, line: int, reason: str, rule: str | None = None) -> None:
        self.file = file
        self.line = line
        self.reason = reason
        self.rule = rule
        super().__init__(f"{file}:{line}: {reason}" + (f" (rule {rule})" if rule else ""))

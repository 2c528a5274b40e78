"""The blocks of methodology.yaml about an event's data: inputs, ratios, conditions and bands."""

from dataclasses import replace

from methodologies.claims import kind_of
from methodologies.document import Cursor
from methodologies.inputs import Band, Condition, Ratio
from methodologies.values import KINDS, LISTS, NUMERIC, Input


def read_inputs(block: Cursor) -> tuple[Input, ...]:
    """Read the declared inputs, or the columns of a list. CatalogueBroken: one makes no sense."""
    inputs = tuple(_read_input(key.text(), entry) for key, entry in block.entries())
    required = {one.name for one in inputs if one.required}
    for one in inputs:
        if one.claim_kind is not None and one.claim_kind.issuer not in (None, *required):
            raise block.broken(
                f"{one.name}: the input {one.claim_kind.issuer!r} issues the claim {one.claim!r} "
                "and must be required"
            )
    return inputs


def _read_input(name: str, entry: Cursor) -> Input:
    given = entry.table(
        needs=["kind"],
        may=[
            "unit",
            "required",
            "min",
            "max",
            "soft_max",
            "default",
            "choices",
            "claim",
            "claim_of",
            "counts",
            "expected",
            "at_most",
            "columns",
            "why",
        ],
    )
    kind = given["kind"].one_of(KINDS)
    numeric = kind in NUMERIC or kind == "numbers"
    for key in ("unit", "min", "max"):
        if numeric and key not in given:
            raise entry.broken(f"the input {name} needs {key!r}: every number has unit and limits")
        if not numeric and key in given:
            raise given[key].broken(f"{key!r} belongs to a number, but {name} is a {kind}")
    if (kind == "choice") != ("choices" in given):
        raise entry.broken(f"{name}: a choice has 'choices', and nothing else has")
    if (kind in LISTS) != ("at_most" in given) or (kind == "rows") != ("columns" in given):
        raise entry.broken(f"{name}: a list has 'at_most' and rows have 'columns', no other has")
    if "claim" in given and kind not in {"id", "ids"}:
        raise given["claim"].broken(f"only an id makes a claim, but {name} is a {kind}")
    one = Input(
        name=name,
        kind=kind,
        unit=given["unit"].text() if "unit" in given else None,
        required="required" in given and given["required"].switch(),
        low=given["min"].number() if numeric else None,
        high=given["max"].number() if numeric else None,
        soft_high=given["soft_max"].number() if "soft_max" in given else None,
        default=given["default"].text() if "default" in given else None,
        choices=given["choices"].texts() if "choices" in given else (),
        claim=given["claim"].text() if "claim" in given else None,
        counts=given["counts"].text() if "counts" in given else None,
        expected="expected" in given and given["expected"].switch(),
        claim_kind=kind_of(given),
    )
    if one.low is not None and one.high is not None and one.low > one.high:
        raise entry.broken(f"{name}: min is above max")
    if one.kind == "choice" and one.default is not None and one.default not in one.choices:
        raise entry.broken(f"{name}: the default is not one of its choices")
    if one.kind == "switch" and one.default not in (None, "true", "false"):
        raise entry.broken(f'{name}: the default of a switch is "true" or "false"')
    return _as_list(one, given) if kind in LISTS else one


def _as_list(one: Input, given: dict[str, Cursor]) -> Input:
    """The limits of a list are those of its entries."""
    if one.kind == "numbers":
        columns: tuple[Input, ...] = (replace(one, kind="number", required=True),)
    else:
        columns = read_inputs(given["columns"])
        if one.name in {column.name for column in columns}:
            raise given["columns"].broken(f"a column needs another name than its list {one.name}")
        for column in columns:
            if column.kind not in (*NUMERIC, "choice") or column.soft_high or column.expected:
                raise given["columns"].broken(f"{column.name}: a column is a number or a choice")
    return replace(
        one,
        low=None,
        high=None,
        soft_high=None,
        at_most=given["at_most"].count(),
        columns=columns,
    )


def read_ratios(block: Cursor | None, inputs: tuple[Input, ...]) -> tuple[Ratio, ...]:
    """Read the limits between two number inputs. CatalogueBroken: one is no such input."""
    if block is None:
        return ()
    numbers = [one.name for one in inputs if one.low is not None]
    ratios = []
    for item in block.items():
        given = item.table(needs=["name", "unit", "over", "under", "times", "min", "max"])
        ratios.append(
            Ratio(
                name=given["name"].text(),
                unit=given["unit"].text(),
                over=given["over"].one_of(numbers),
                under=given["under"].one_of(numbers),
                times=given["times"].number(),
                low=given["min"].number(),
                high=given["max"].number(),
            )
        )
    return tuple(ratios)


def read_conditions(block: Cursor | None, inputs: tuple[Input, ...]) -> tuple[Condition, ...]:
    """Read what must hold beside limits. CatalogueBroken: one names no input of its kind."""
    if block is None:
        return ()
    choices = {one.name: one.choices for one in inputs if one.kind == "choice"}
    switches = [one.name for one in inputs if one.kind == "switch"]
    lists = [one.name for one in inputs if one.kind in LISTS]
    conditions = []
    for item in block.items():
        given = item.table(needs=["why"], may=["when", "is", "needs", "forbids", "single"])
        if ("when" in given) != ("is" in given):
            raise item.broken("'when' and 'is' stand together, or both are left out")
        if len({"needs", "forbids", "single"} & given.keys()) != 1:
            raise item.broken("a condition has one of 'needs', 'forbids' and 'single'")
        when = given["when"].one_of(choices) if "when" in given else None
        conditions.append(
            Condition(
                when=when,
                equals=given["is"].one_of(choices[when]) if when else None,
                needs=given["needs"].one_of(switches) if "needs" in given else None,
                forbids=given["forbids"].one_of(switches) if "forbids" in given else None,
                single=given["single"].one_of(lists) if "single" in given else None,
                why=given["why"].text(),
            )
        )
    return tuple(conditions)


def read_together(block: Cursor | None, inputs: tuple[Input, ...]) -> tuple[tuple[str, ...], ...]:
    """Read the groups of inputs that are given together or not at all.

    CatalogueBroken: a group has fewer than two.
    """
    groups = tuple(read_names(group, inputs) for group in block.items()) if block else ()
    if block is not None and any(len(group) < 2 for group in groups):
        raise block.broken("a group of inputs that belong together has two or more")
    return groups


def check_attribution(block: Cursor | None) -> None:
    """Check how one result is shared: in words, or as a share for each actor.

    CatalogueBroken: the shares are more than the whole.
    """
    if block is None or isinstance(block.plain(), str):
        return
    shares = [share.number() for _, share in block.entries()]
    if not shares or min(shares) < 0 or sum(shares) > 1:
        raise block.broken("the shares of the actors are 0 or more, and at most 1 together")


def read_bands(block: Cursor | None, inputs: tuple[Input, ...]) -> tuple[Band, ...]:
    """Read the classes of number inputs. CatalogueBroken: edges fall, or leave values out."""
    if block is None:
        return ()
    highest = {one.name: one.high for one in inputs if one.high is not None}
    bands = []
    for item in block.items():
        given = item.table(needs=["name", "of", "up_to"])
        of = given["of"].one_of(highest)
        steps = []
        for step in given["up_to"].items():
            one = step.table(needs=["edge", "is"])
            steps.append((one["edge"].number(), one["is"].text()))
        edges = [edge for edge, _ in steps]
        if not edges or edges != sorted(set(edges)) or edges[-1] < highest[of]:
            raise given["up_to"].broken(f"the edges must rise and reach {highest[of]}, as {of} may")
        bands.append(Band(name=given["name"].text(), of=of, steps=tuple(steps)))
    return tuple(bands)


def read_names(block: Cursor | None, inputs: tuple[Input, ...]) -> tuple[str, ...]:
    """Read a list of names of inputs. CatalogueBroken: one is none."""
    if block is None:
        return ()
    return tuple(item.one_of([one.name for one in inputs]) for item in block.items())

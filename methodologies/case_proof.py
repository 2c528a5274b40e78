"""What a worked case gives beside what it says, and beside its own receipt."""

from collections.abc import Iterator, Mapping
from decimal import ROUND_UP, Context, Decimal, localcontext

import orjson

from methodologies.arithmetic import evaluate
from methodologies.cases import Case
from methodologies.catalogue import Catalogue
from methodologies.contract import Assessment, DataInvalid, Edition, Refusal
from methodologies.explanation import Explanation

TOLERANCE_G = Decimal("0.001")
LINES = ["baseline", "project", "leakage", "gross", "conservativeness", "credited"]
_COARSE = Context(prec=3, rounding=ROUND_UP)  # a caller's arithmetic, which must not matter


def wrong_case(catalogue: Catalogue, edition: Edition, case: Case) -> str | None:
    """What a case or its receipt gives instead of what it says, in words; None if all is right."""
    try:
        result = _assess(catalogue, edition, case)
        with localcontext(_COARSE):
            again = _assess(catalogue, edition, case)
        sum_ = catalogue.explain(
            edition.activity,
            region=case.region,
            day=case.day,
            level=case.level,
            data=case.data,
            version=edition.version,
        )
    except DataInvalid as invalid:
        names = [name for name, _ in invalid.errors]
        return None if case.invalid in names else f"its data cannot be read: {invalid}"
    except AssertionError as formula:
        return f"the written formula is not the sum of estimate.py: {formula}"
    except (ArithmeticError, LookupError, TypeError, AttributeError) as failed:
        return f"the sum fails: {type(failed).__name__}: {failed}"
    wrong = [*_wrong_result(edition, case, result), *wrong_receipt(result, sum_)]
    if again != result:
        wrong.append("it depends on the caller's decimal context")
    return "; ".join(wrong) or None


def _assess(catalogue: Catalogue, edition: Edition, case: Case) -> Assessment | Refusal:
    return catalogue.assess(
        edition.activity, region=case.region, day=case.day, level=case.level, data=case.data
    )


def _wrong_result(edition: Edition, case: Case, result: Assessment | Refusal) -> Iterator[str]:
    if isinstance(result, Assessment):
        yield from _wrong_figures(edition, case, result)
    elif case.refused != result.reason:
        yield f"it is refused, {result.reason}: {result.detail}"
    elif case.mentions and case.mentions not in result.detail:
        yield f"the refusal does not mention {case.mentions!r}: {result.detail}"


def _wrong_figures(edition: Edition, case: Case, result: Assessment) -> Iterator[str]:
    gross_g = Decimal(result.gross_mg) / 1000
    if case.gross_g is None:
        yield f"it gives {gross_g} g, where {case.refused or case.invalid} is expected"
        return
    if abs(gross_g - case.gross_g) > TOLERANCE_G:
        yield f"gross_g is {gross_g}, not {case.gross_g}"
    pairs: Mapping[str, tuple[object, object]] = {
        "methodology": (edition.reference, result.methodology),
        "credited_mg": (case.credited_mg, result.credited_mg),
        "region": (case.uses_region, result.region),
        "flags": (case.flags, result.flags),
        "claims": (case.claims, result.claims),
    }
    for name, (expected, found) in pairs.items():
        if expected is not None and expected != found:
            yield f"{name} is {found}, not {expected}"


def wrong_receipt(result: Assessment | Refusal, sum_: Explanation) -> Iterator[str]:
    """Where the receipt is not of the same result, or its lines do not give its own figures."""
    if isinstance(result, Refusal) or sum_.refusal is not None:
        if sum_.refusal != result or sum_.credited_mg is not None:
            yield f"its receipt says {sum_.refusal}, the assessment {result}"
        return
    pairs: Mapping[str, tuple[object, object]] = {
        "gross_mg": (result.gross_mg, sum_.gross_mg),
        "credited_mg": (result.credited_mg, sum_.credited_mg),
        "region": (result.region, sum_.region),
        "flags": (result.flags, sum_.flags),
        "claims": (result.claims, sum_.claims),
        "lines": (LINES, [line.name for line in sum_.lines]),
    }
    for name, (assessed, shown) in pairs.items():
        if assessed != shown:
            yield f"{name} is {shown} in its receipt, not {assessed}"
    if any(not factor.source.title for factor in sum_.factors):
        yield "its receipt shows a factor without a source"
    if [line.name for line in sum_.lines] == LINES:
        yield from _wrong_lines(sum_)
    orjson.dumps(sum_.as_dict())


def _wrong_lines(sum_: Explanation) -> Iterator[str]:
    """Do the receipt's last lines again from its own text, as a reader would by hand."""
    lines = {line.name: line for line in sum_.lines}
    gross_g = evaluate(lines["gross"].formula)
    credited_mg = int(max(Decimal(0), gross_g) * 1000 * Decimal(lines["conservativeness"].value))
    if gross_g != Decimal(lines["gross"].value) or int(gross_g * 1000) != sum_.gross_mg:
        yield f"its receipt's lines give {gross_g} g gross, not {lines['gross'].value}"
    if credited_mg != sum_.credited_mg:
        yield f"its receipt's lines give {credited_mg} mg, not {sum_.credited_mg}"

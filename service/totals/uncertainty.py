"""Uncertainty printed beside a total (rule R16 of the accounting rules). Pure.

Each action carries the half-width of its own 95 percent interval. Inside a methodology the actions
share their factors, so the half-widths add up linearly; between methodologies they are independent
and add up as root-sum-square (IPCC 2006 Guidelines, volume 1, chapter 3).
"""

from decimal import Decimal, localcontext

from service.totals.sums import Sums

PRECISION = 40  # the square of 1.5e18 mg has 37 digits


def relative_pct(sums: Sums) -> Decimal | None:
    """Relative uncertainty of the Scope 3+ total in percent, one decimal; None for an empty one."""
    total = sums.carbon().avoided_mg
    if total <= 0:
        return None
    errors = [Decimal(one.uncertainty_mg) for one in sums.carbon_by("methodology").values()]
    with localcontext(prec=PRECISION):
        squares = sum((error * error for error in errors), Decimal(0))
        return (squares.sqrt() / total * 100).quantize(Decimal("0.1"))

"""Milligrams and shares as people read them: whole-number arithmetic, rounded towards zero. Pure.

`files/home.js` writes the same texts while the page is open; a test compares the two.
"""

UNITS = (
    (10**18, "Gt"),
    (10**15, "Mt"),
    (10**12, "kt"),
    (10**9, "t"),
    (10**6, "kg"),
    (10**3, "g"),
    (1, "mg"),
)
FIGURES = 4  # significant digits of a mass
SHARE_DECIMALS = 12  # of `goal.share`
PERCENT_DECIMALS = SHARE_DECIMALS - 2


def mass(milligrams: str) -> tuple[str, str]:
    """Return a number with up to four significant digits, and its unit.

    The number is rounded towards zero.
    """
    amount = int(milligrams)
    size = abs(amount)
    if size == 0:
        return "0", "g"
    unit, name = next(one for one in UNITS if size >= one[0])
    decimals = min(FIGURES - len(str(size // unit)), len(str(unit)) - 1)
    shown = size * 10**decimals // unit
    whole, part = divmod(shown, 10**decimals)
    text = f"{whole}.{part:0{decimals}d}" if decimals else str(whole)
    return f"{'−' if amount < 0 else ''}{text}", name


def mass_text(milligrams: str) -> str:
    """Return the number and its unit, held together by a space that does not break."""
    return "\N{NO-BREAK SPACE}".join(mass(milligrams))


def count(number: int | str) -> str:
    """Return a whole number with its thousands apart."""
    return f"{int(number):,}".replace("-", "−")


def percent(share: str) -> str:
    """Return a share (1 is all) as percent: two decimals from 1 % on, else three significant
    digits.
    """
    sign, digits = ("−", share[1:]) if share.startswith("-") else ("", share)
    whole, _, part = digits.partition(".")
    shown = int(whole + part.ljust(SHARE_DECIMALS, "0")[:SHARE_DECIMALS])
    whole_percent, rest = divmod(shown, 10**PERCENT_DECIMALS)
    decimals = f"{rest:0{PERCENT_DECIMALS}d}"
    keep = 2 if whole_percent else len(decimals) - len(decimals.lstrip("0")) + 3
    kept = decimals[:keep].rstrip("0")
    return f"{sign}{count(whole_percent)}{'.' + kept if kept else ''}"


def part_of(milligrams: str, largest: int) -> str:
    """Return how long a bar is, in percent of the longest: a whole number from 0 to 100."""
    return str(max(0, int(milligrams)) * 100 // largest) if largest > 0 else "0"

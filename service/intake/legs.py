"""Legs as an earning keeps them: a text such as "1781483400-1781485200 1781490000-1781491200"."""

from collections.abc import Iterable

Leg = tuple[int, int]  # seconds since 1970, the end excluded


def legs_text(legs: Iterable[Leg]) -> str | None:
    """Return the text of some legs; None without any."""
    return " ".join(f"{began}-{ended}" for began, ended in legs) or None


def legs_of(text: str | None) -> list[Leg]:
    """Return the legs of a text."""
    if text is None:
        return []
    return [(int(began), int(ended)) for began, _, ended in map(_parted, text.split(" "))]


def _parted(leg: str) -> tuple[str, str, str]:
    return leg.partition("-")

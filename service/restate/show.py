"""Restatements, shadow runs and versions as tables on a terminal."""

from collections.abc import Iterable, Mapping
from typing import Any

from rich.table import Table


def grams(milligrams: str | None) -> str:
    """Return milligrams as grams, exactly."""
    if milligrams is None:
        return "-"
    sign, digits = ("-", milligrams[1:]) if milligrams.startswith("-") else ("", milligrams)
    digits = digits.zfill(4)
    return f"{sign}{int(digits[:-3]):,}.{digits[-3:]}"


def effect_tables(report: Mapping[str, Any]) -> Iterable[Table]:
    """By month, by region, and in all."""
    total = {"of": "in the total", **report["total"]}
    apart = {"of": "apart (L0, scope 3)", **report["apart"]}
    for name, rows in (
        ("month", report["by_month"]),
        ("region", report["by_region"]),
        ("of", [total, apart]),
    ):
        table = Table(
            "" if name == "of" else name,
            *(("actions", "changed", "refused newly", "limited now")),
            *(("old g", "new g", "difference g")),
        )
        for row in rows:
            table.add_row(
                row[name],
                *(f"{row[count]:,}" for count in ("actions", "changed")),
                *(f"{row[count]:,}" for count in ("refused_newly", "limited_now")),
                *(grams(row[sum_]) for sum_ in ("old_mg", "new_mg", "difference_mg")),
            )
        yield table


def publication_lines(report: Mapping[str, Any]) -> Iterable[str]:
    """Return what rule R13 says about the effect."""
    for one in report["publication"]["findings"]:
        word = "reaches" if one["asked"] else "is below"
        yield (
            f"R13: {grams(one['effect_mg'])} g on {grams(one['before_mg'])} g of {one['of']} "
            f"{word} {one['threshold_pct']} percent."
        )
    asked = report["publication"]["asked"]
    yield "R13 asks to publish this restatement." if asked else "R13 asks to log it only."


def comparison_table(report: Mapping[str, Any]) -> Table:
    """Return a shadow run, cell by cell."""
    table = Table(
        *("methodology", "month", "region", "level", "actions", "recorded g", "shadow g", "ratio"),
        *("mean diff. g", "spread g", "refused", "left out"),
    )
    total = {"methodology": "all", "month": "", "region": "", "evidence_level": ""}
    for row in (*report["cells"], {**total, **report["total"]}):
        refused = row["refused_by_shadow"] + row["refused_by_both"]
        table.add_row(
            *(row[name] for name in ("methodology", "month", "region", "evidence_level")),
            f"{row['actions']:,}",
            grams(row["recorded_mg"]),
            grams(row["shadow_mg"]),
            row["ratio"] or "-",
            grams(row["mean_difference_mg"]),
            grams(row["spread_mg"]),
            f"{refused:,}",
            f"{row['left_out']:,}",
        )
    return table

"""The public page, from the totals as `/v1/totals` gives them and a template. Pure."""

from collections.abc import Mapping, Sequence
from html import escape
from string import Template
from typing import Any

from service.web.figures import count, mass, mass_text, part_of, percent

LEVELS = {
    "L1": "a platform's own event",
    "L2": "corroborated by a second source",
    "L3": "sampled by an auditor",
    "L4": "of a verified period",
}
TABLES = (
    ("by_activity", "activity"),
    ("by_methodology", "methodology"),
    ("by_evidence_level", "evidence_level"),
    ("by_region", "region"),
)

_ROW = Template(
    '<tr data-list="$list" data-key="$key"><th scope="row"><code>$key</code>$said</th>'
    '<td class="bar"><svg aria-hidden="true" focusable="false">'
    '<rect width="$length%" height="100%" rx="3"/></svg></td>'
    '<td class="number" data-cell="avoided_mg">$avoided</td>'
    '<td class="number" data-cell="actions">$actions</td></tr>'
)
_NOTHING = '<tr><td colspan="4">Nothing yet.</td></tr>'
NOT_YET = "not at this rate"


def home_page(
    template: str, totals: Mapping[str, Any], titles: Mapping[str, str], assets: Mapping[str, str]
) -> str:
    """Return the page with every figure in it.

    `titles` says what "id@version" is, `assets` where.
    """
    goal = totals["goal"]
    avoided, unit = mass(totals["avoided_mg"])
    required = goal["required_rate_mg_per_year"]
    uncertainty = totals["uncertainty"]["relative_pct"]
    share = goal["share"]
    tables = {
        name: _rows(totals[name], list_=name, key=key, said={**titles, **LEVELS})
        for name, key in TABLES
    }
    return Template(template).substitute(
        assets,
        **tables,
        avoided=avoided,
        unit=unit,
        exact=count(totals["avoided_mg"]),
        uncertainty="not known yet" if uncertainty is None else f"± {uncertainty} %",
        method=escape(totals["uncertainty"]["method"]),
        as_of=escape(totals["as_of"]),
        as_of_text=escape(moment(totals["as_of"])),
        share=percent(share),
        share_bar=part_of(goal["avoided_mg"], int(goal["target_mg"])),
        target=mass_text(goal["target_mg"]).replace(".500", ".5"),
        from_year=goal["from"][:4],
        to_year=goal["to"][:4],
        run_rate=mass_text(goal["run_rate_mg_per_year"]),
        required_rate="over" if required is None else mass_text(required),
        projected_year=goal["projected_year"] or NOT_YET,
        people=count(totals["people"]),
        actions=count(totals["actions"]),
        points=count(totals["points"]),
        **{name: count(number) for name, number in totals["trees"].items()},
    )


def moment(as_of: str) -> str:
    """Return a time of the API as people read it, in UTC."""
    return f"{as_of[:10]} {as_of[11:19]} UTC"


def _rows(
    found: Sequence[Mapping[str, Any]], *, list_: str, key: str, said: Mapping[str, str]
) -> str:
    largest = max((int(one["avoided_mg"]) for one in found), default=0)
    rows = [
        _ROW.substitute(
            list=list_,
            key=escape(one[key]),
            said=f"<small>{escape(said[one[key]])}</small>" if one[key] in said else "",
            length=part_of(one["avoided_mg"], largest),
            avoided=mass_text(one["avoided_mg"]),
            actions=count(one["actions"]),
        )
        for one in sorted(found, key=lambda one: -int(one["avoided_mg"]))
    ]
    return "\n".join(rows) or _NOTHING

"""A certificate as a page, from what `/v1/certificates/{serial}` gives and a template. Pure."""

from collections.abc import Mapping
from html import escape
from string import Template

import segno

from service.forest.schemas import CertificateView
from service.web.figures import count

STATES = {
    "pledged": ("Pledged", "The tree is paid for and waits for its lot to be handed over."),
    "funded": ("Funded", "The lot is with the planting partner and waits for its season."),
    "planted": ("Planted", "The partner reported the planting; it is not accepted yet."),
    "accepted": ("Accepted", "The planting was accepted; survival is surveyed later."),
    "surveyed": ("Surveyed", "Living trees were counted."),
    "replaced": ("Replaced", "Trees that had died were planted again."),
    "lost": ("Lost", "The trees of this lot did not live."),
}
NOT_SURVEYED = "not surveyed yet"


def certificate_page(template: str, view: CertificateView, assets: Mapping[str, str]) -> str:
    """Return the page of a certificate; everything that people wrote is escaped."""
    state, meaning = STATES[view.lot.state]
    plain = {
        name: escape(getattr(view, name))
        for name in (
            "english_name", "local_name", "scientific_name", "place", "planting_partner", "serial",
        )
    }  # fmt: skip
    surviving = view.lot.surviving
    return Template(template).substitute(
        assets,
        **plain,
        **{"for": _for(view)},
        void="" if view.state == "valid" else '<p class="void">Void: the order was refunded</p>',
        qr=qr_svg(view.url),
        pdf=escape(f"/v1/certificates/{view.serial}.pdf"),
        issued=view.issued_at.date().isoformat(),
        state=state,
        meaning=meaning,
        lot=escape(view.lot.lot),
        trees=count(view.lot.trees),
        planted=count(view.lot.planted),
        surviving=f"<small>{NOT_SURVEYED}</small>" if surviving is None else count(surviving),
        reports=_reports(view),
        contributors=_contributors(view),
    )


def qr_svg(url: str) -> str:
    """Return the address as a QR code; the white ground is the page's."""
    return str(
        segno.make(url, error="m", micro=False).svg_inline(
            omitsize=True, border=1, title="QR code of this page's address"
        )
    )


def _for(view: CertificateView) -> str:
    if view.display_name is None:
        return ""
    return f'<p class="for">for <strong>{escape(view.display_name)}</strong></p>'


def _reports(view: CertificateView) -> str:
    if not view.lot.reports:
        return ""
    lines = []
    for one in view.lot.reports:
        figure = one.planted if one.planted is not None else one.surviving
        trees = "tree" if figure == 1 else "trees"
        said = "" if figure is None else f": {count(figure)} {trees}"
        photos = f"Photos on record: {len(one.photos)}. " if one.photos else ""
        lines.append(
            f"<li><strong>{STATES[one.state][0]}{said}</strong>"
            f"<small>{one.on} by {escape(one.by)}. "
            f"{photos}{escape(one.note)}</small></li>"
        )
    return f"<ol>{''.join(lines)}</ol>"


def _contributors(view: CertificateView) -> str:
    if not view.contributors:
        return ""
    rows = "".join(
        f"<tr><td>{escape(one.display_name or 'Somebody')}</td>"
        f"<td>{percent_text(one.share)}&nbsp;%</td></tr>"
        for one in view.contributors
    )
    return (
        '<section aria-labelledby="shares"><h2 id="shares">Whose tree this is</h2>'
        f"<table><tbody>{rows}</tbody></table></section>"
    )


def percent_text(share: str) -> str:
    """Return a share of four places as a percentage of two."""
    parts = int(share.replace(".", ""))
    return f"{parts // 100}.{parts % 100:02}"

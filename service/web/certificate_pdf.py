"""A certificate as one A4 page, with its font inside: it reads the same everywhere. Pure."""

import io
from pathlib import Path
from typing import TYPE_CHECKING

import segno

from service.forest.schemas import CertificateView
from service.web.certificate_page import NOT_SURVEYED, STATES, percent_text
from service.web.figures import count

if TYPE_CHECKING:
    from fpdf import FPDF

FONT = Path(__file__).parent / "files" / "certificate.ttf"
PAPER, CARD, LINE = (247, 240, 227), (253, 249, 241), (224, 211, 186)
INK, SOFT, GREEN, ACCENT = (43, 42, 36), (95, 89, 75), (66, 96, 63), (143, 74, 38)
SAND, DUNE = (234, 215, 179), (220, 191, 143)
WIDTH, HEIGHT, MARGIN, LEFT = 210, 297, 12, 28
INNER = WIDTH - 2 * LEFT
SHARES_MAX = 3


def certificate_pdf(view: CertificateView) -> bytes:
    """Return the PDF of a certificate, dated as its issue; equal content gives equal bytes."""
    # A tenth of what an API process imports, in every process, for what few of them are asked for.
    from fpdf import FPDF  # noqa: PLC0415

    pdf = FPDF(format="A4")
    pdf.set_creation_date(view.issued_at)
    pdf.set_title(f"Tree certificate {view.serial}")
    pdf.set_lang("en")
    pdf.set_auto_page_break(False)
    pdf.c_margin = 0
    pdf.add_font("certificate", fname=FONT)
    pdf.add_page()
    _ground(pdf)
    _write(pdf, 36, "TREE CERTIFICATE", 11, SOFT, spacing=1.2)
    _write(pdf, 47, f"{view.english_name}  {view.local_name}", 40, GREEN)
    _write(pdf, 67, view.scientific_name, 15, SOFT)
    y = 80.0
    if view.display_name is not None:
        _write(pdf, y, f"for {view.display_name}", 19, INK)
        y += 12
    _write(pdf, y, view.place, 13, INK)
    _write(pdf, y + 7, f"Planted by {view.planting_partner}", 13, SOFT)
    y += 20
    if view.state == "void":
        _write(pdf, y, "VOID: the order was refunded", 16, ACCENT)
        y += 12
    y = _shares(pdf, view, y)
    _lot(pdf, view, max(y, 128))
    _proof(pdf, view)
    return bytes(pdf.output())


def _ground(pdf: "FPDF") -> None:
    pdf.set_fill_color(*PAPER)
    pdf.rect(0, 0, WIDTH, HEIGHT, style="F")
    pdf.set_fill_color(*CARD)
    pdf.set_draw_color(*LINE)
    pdf.set_line_width(0.3)
    pdf.rect(MARGIN, MARGIN, WIDTH - 2 * MARGIN, HEIGHT - 2 * MARGIN, style="DF",
             round_corners=True, corner_radius=5)  # fmt: skip
    with pdf.rect_clip(MARGIN, MARGIN, WIDTH - 2 * MARGIN, HEIGHT - 2 * MARGIN):
        pdf.set_fill_color(*SAND)
        pdf.ellipse(-50, 252, 200, 80, style="F")
        pdf.ellipse(120, 246, 190, 90, style="F")
        pdf.set_fill_color(*DUNE)
        pdf.ellipse(20, 266, 260, 60, style="F")
    _shrub(pdf, 160, 266, 1)
    _shrub(pdf, 176, 268, 2 / 3)


def _shrub(pdf: "FPDF", x: int, y: int, size: float) -> None:
    """Draw the twigs of a saxaul shrub upwards from its foot."""
    pdf.set_draw_color(*GREEN)
    pdf.set_line_width(0.7)
    for x1, y1, x2, y2 in (
        (0, 0, 0, -16), (0, -6, -6, -15), (0, -8, 7, -20), (-4, -12, -9, -11),
        (4, -15, 10, -13), (0, -15, -2, -23),
    ):  # fmt: skip
        pdf.line(x + x1 * size, y + y1 * size, x + x2 * size, y + y2 * size)


def _write(
    pdf: "FPDF", y: float, text: str, size: int, colour: tuple[int, int, int], *, spacing: float = 0
) -> None:
    """Write one centred line, in smaller type where it would not fit."""
    pdf.set_char_spacing(spacing)
    pdf.set_text_color(*colour)
    pdf.set_font("certificate", size=size)
    wide = pdf.get_string_width(text)
    if wide > INNER:
        pdf.set_font_size(size * INNER / wide)
    pdf.set_xy(LEFT, y)
    pdf.cell(text=text, h=size * 0.45)
    pdf.set_char_spacing(0)


def _shares(pdf: "FPDF", view: CertificateView, y: float) -> float:
    for one in view.contributors[:SHARES_MAX]:
        text = f"{one.display_name or 'Somebody'}, {percent_text(one.share)} %"
        _write(pdf, y, text, 11, INK)
        y += 6
    more = len(view.contributors) - SHARES_MAX
    if more > 0:
        _write(pdf, y, f"and {more} more", 11, SOFT)
        y += 6
    return y + 6


def _lot(pdf: "FPDF", view: CertificateView, y: float) -> None:
    pdf.set_draw_color(*LINE)
    pdf.line(LEFT, y, WIDTH - LEFT, y)
    state, meaning = STATES[view.lot.state]
    _write(pdf, y + 6, f"Lot {view.lot.lot}: {state.lower()}", 14, INK)
    _write(pdf, y + 14, meaning, 11, SOFT)
    surviving = NOT_SURVEYED if view.lot.surviving is None else count(view.lot.surviving)
    figures = (
        ("Contracted", count(view.lot.trees)),
        ("Planted", count(view.lot.planted)),
        ("Surviving", surviving),
    )
    for number, (name, figure) in enumerate(figures):
        x = LEFT + number * INNER / 3
        pdf.set_text_color(*SOFT)
        pdf.set_font("certificate", size=10)
        pdf.text(x, y + 30, name)
        pdf.set_text_color(*INK)
        pdf.set_font("certificate", size=12 if figure == NOT_SURVEYED else 18)
        pdf.text(x, y + 38, figure)


def _proof(pdf: "FPDF", view: CertificateView) -> None:
    code = io.BytesIO()
    segno.make(view.url, error="m", micro=False).save(
        code, kind="svg", border=2, light="#fff", omitsize=True
    )
    pdf.image(code, x=LEFT, y=192, w=42)
    pdf.set_text_color(*INK)
    pdf.set_font("certificate", size=17)
    pdf.text(LEFT + 49, 207, view.serial)
    pdf.set_text_color(*SOFT)
    pdf.set_font("certificate", size=11)
    pdf.text(LEFT + 49, 215, f"Issued on {view.issued_at.date().isoformat()}")
    pdf.text(LEFT + 49, 222, "The code leads to how the lot is today.")

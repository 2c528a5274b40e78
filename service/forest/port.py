"""The port to planting partners: lots go out, reports come back.

`PlantingPort` is what any partner's interface has to offer. Files are the one that every partner
can use; an adapter of a partner's own API offers the same two functions and changes nothing else.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import orjson
from pydantic import ValidationError
from sqlalchemy import RowMapping

from service.forest.lot import Report
from service.forest.plant import Line, wrong_lines
from service.forest.schemas import NewReport
from service.forest.spreadsheet import cell

LINES_MAX = 10_000
TOLD = (
    "lot", "project", "project_name", "place", "region", "planting_partner", "species",
    "scientific_name", "local_name", "lot_state", "trees", "planted_so_far", "surviving_so_far",
)  # fmt: skip
ASKED = ("state", "on", "by", "planted", "surviving", "photos", "note")
Row = RowMapping


class PlantingPort(Protocol):
    """What a planting partner's interface has to offer."""

    def offer(self, lots: Sequence[Row]) -> bytes:
        """Return lots to plant and to report on, as the partner reads them."""

    def read(self, content: bytes) -> list[Line]:
        """Return the partner's reports.

        Raises FieldsInvalid that names every line which is wrong.
        """


class CsvFile:
    """A table with one line for each lot: the partner fills in the columns of ASKED."""

    media_type = "text/csv; charset=utf-8"

    def offer(self, lots: Sequence[Row]) -> bytes:
        """Return CSV in UTF-8 with the byte order mark that spreadsheets need for Chinese names."""
        out = io.StringIO()
        table = csv.DictWriter(out, [*TOLD, *ASKED], restval="", lineterminator="\r\n")
        table.writeheader()
        table.writerows({name: cell(value) for name, value in _row_of(lot).items()} for lot in lots)
        return b"\xef\xbb\xbf" + out.getvalue().encode()

    def read(self, content: bytes) -> list[Line]:
        """Return the lines whose `state` is filled in; line 1 is the heading."""
        table = csv.DictReader(io.StringIO(_text(content), newline=""), strict=True)
        try:
            missing = {"lot", "state", "on", "by"} - set(table.fieldnames or ())
            unknown = set(table.fieldnames or ()) - {*TOLD, *ASKED}
            if missing or unknown:
                what = f"lacks {sorted(missing)}" if missing else f"has unknown {sorted(unknown)}"
                raise wrong_lines([("/lines/1/heading", f"the heading {what}")])
            rows = [(table.line_num, row) for row in table if (row["state"] or "").strip()]
        except csv.Error as error:
            raise wrong_lines([(f"/lines/{table.reader.line_num}/", str(error))]) from error
        return _lines([(number, _filled(row)) for number, row in rows])


class JsonFile:
    """`{"lots": [...]}` out, `{"reports": [{"lot", "state", "on", "by", ...}]}` in."""

    media_type = "application/json"

    def offer(self, lots: Sequence[Row]) -> bytes:
        """Return JSON with one object for each lot."""
        return orjson.dumps({"lots": [_row_of(lot) for lot in lots]}, option=orjson.OPT_INDENT_2)

    def read(self, content: bytes) -> list[Line]:
        """Return the reports; line 1 is the first of them."""
        try:
            reports = orjson.loads(content)["reports"]
            rows = [dict(one) for one in reports]
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
            raise wrong_lines(
                [("/lines/1/", 'the file must be {"reports": [{"lot": ..., "state": ...}]}')]
            ) from error
        return _lines(list(enumerate(rows, 1)))


PORTS: dict[str, CsvFile | JsonFile] = {"csv": CsvFile(), "json": JsonFile()}


def _row_of(lot: Row) -> dict[str, Any]:
    renamed = {
        **lot,
        "lot_state": lot["state"],
        "planted_so_far": lot["planted"],
        "surviving_so_far": lot["surviving"],
    }
    return {name: renamed[name] for name in TOLD}


def _filled(row: Mapping[str, str | None]) -> dict[str, object]:
    """Return a CSV line as a report: what is left empty is not said; numbers are digits."""
    found: dict[str, object] = {}
    for name in ("lot", *ASKED):
        text = (row.get(name) or "").strip()
        if text:
            found[name] = int(text) if name in ("planted", "surviving") and _whole(text) else text
    if "photos" in found:
        found["photos"] = str(found["photos"]).split()
    if row.get(None):  # type: ignore[call-overload]  # where the reader puts what is too much
        found["columns"] = "too many"
    return found


def _whole(text: str) -> bool:
    digits = text.removeprefix("-")
    return digits.isascii() and digits.isdigit() and len(digits) < 19


def _lines(rows: Sequence[tuple[int, dict[str, Any]]]) -> list[Line]:
    if len(rows) > LINES_MAX:
        raise wrong_lines([(f"/lines/{LINES_MAX + 1}/", f"a file has at most {LINES_MAX} reports")])
    lines: list[Line] = []
    wrong: list[tuple[str, str]] = []
    for number, row in rows:
        lot = row.pop("lot", None)
        if not isinstance(lot, str):
            wrong.append((f"/lines/{number}/lot", "is missing"))
            continue
        try:
            body = NewReport.model_validate_json(orjson.dumps(row))
        except ValidationError as error:
            for one in error.errors():
                at = "/".join(str(part) for part in one["loc"])
                wrong.append((f"/lines/{number}/{at}", one["msg"]))
            continue
        lines.append(Line(number, report_of(lot, body)))
    if wrong:
        raise wrong_lines(wrong)
    return lines


def report_of(lot: str, body: NewReport) -> Report:
    """Return a report of a lot, from its wire shape."""
    return Report(
        lot=lot,
        state=body.state,
        on=body.on,
        by=body.by,
        planted=body.planted,
        surviving=body.surviving,
        photos=tuple(body.photos),
        note=body.note,
    )


def _text(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise wrong_lines([(f"/lines/{line}/", "is not UTF-8: save the file as CSV UTF-8")]) from (
            error
        )

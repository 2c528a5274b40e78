"""Tables that people open in a spreadsheet: no cell of theirs is a formula."""

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


def cell(value: object) -> object:
    """Return a value as a cell shows it.

    A text that a spreadsheet would reckon with gets an apostrophe before it, which spreadsheets
    take for "this is text": a place can be named by somebody else than whoever opens the file.
    """
    if isinstance(value, str) and value.lstrip(" ").startswith(FORMULA_STARTS):
        return f"'{value}"
    return value

"""How times are read from outside: written out, never as a number."""


def written_out(value: object) -> object:
    """Refuse numbers, also in a text: they would be read as seconds since 1970."""
    if value is not None and (not isinstance(value, str) or value[4:5] != "-"):
        raise ValueError("must be a text as in RFC 3339, e.g. 2026-11-22T08:03:11+08:00")
    return value

"""What the log says of an exception: its kind, where it came from, and no value of a person.

A driver's error quotes parameters and keys, a validation error its input, and either may be the
name of a person. So of these kinds the log says what they are, and not their own text.
"""

import traceback
from collections.abc import Iterator
from itertools import count

from asyncpg import InterfaceError, PostgresError
from pydantic import ValidationError
from sqlalchemy.exc import EmulatedDBAPIException, StatementError

CHAIN_MAX = 10  # causes of causes
_DATA = "22"  # SQLSTATE: the message of a wrong value quotes it
_QUOTING = (ValueError, LookupError, TypeError)  # of the language and of libraries: they quote


def text_of(error: BaseException) -> str:
    """Return the kind of an exception and what it says, without values that may name a person."""
    kind = type(error)
    name = kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
    said = _said(error)
    return f"{name}: {said}" if said else name


def trace_of(error: BaseException) -> str:
    """Return an exception with its causes and where each was raised, as Python prints them."""
    parts = []
    for number, one in zip(count(), _chain(error), strict=False):
        parts.append("" if number == 0 else "caused by\n")
        parts.extend(traceback.format_tb(one.__traceback__))
        parts.append(f"{text_of(one)}\n")
        for inner in getattr(one, "exceptions", ()):
            parts.append("".join(traceback.format_tb(inner.__traceback__)))
            parts.append(f"  with {text_of(inner)}\n")
    return "".join(parts).rstrip()


class SaidError:
    """Stands for an exception among the values of a line of the log, however it is formatted."""

    def __init__(self, error: BaseException) -> None:
        self._text = text_of(error)

    def __str__(self) -> str:
        return self._text

    __repr__ = __str__


def _said(error: BaseException) -> str:
    if isinstance(error, StatementError):
        return "" if error.orig is None else text_of(error.orig.__cause__ or error.orig)
    if isinstance(error, EmulatedDBAPIException):
        return f"SQLSTATE {getattr(error, 'sqlstate', '')}"  # its text is that of its cause
    if isinstance(error, PostgresError):
        state = str(getattr(error, "sqlstate", "") or "")
        message = "" if state.startswith(_DATA) else str(getattr(error, "message", "") or "")
        return f"SQLSTATE {state} {message}".strip()
    if isinstance(error, ValidationError):
        wrong = error.errors(include_input=False, include_context=False, include_url=False)
        return "; ".join(f"{one['type']} at {len(one['loc'])} steps" for one in wrong[:CHAIN_MAX])
    if isinstance(error, InterfaceError) or _quotes(error):
        return ""
    return str(error)


def _quotes(error: BaseException) -> bool:
    """Whether the text is of the language or a library, which quote the value that was wrong."""
    ours = type(error).__module__.partition(".")[0] in ("service", "workers", "methodologies")
    return isinstance(error, _QUOTING) and not ours


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen and len(seen) < CHAIN_MAX:
        seen.add(id(one))
        yield one
        one = one.__cause__ or (None if one.__suppress_context__ else one.__context__)

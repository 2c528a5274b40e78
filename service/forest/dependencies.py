"""The person that a caller may act for when the body, not the path, names them."""

from typing import Any

from service.errors import FieldsInvalid
from service.partners.caller import Caller
from service.partners.dependencies import ThisCaller, ThisHasher
from service.partners.person import PersonHasher, PersonId


def may_order_for(subject: str | None, caller: Caller, hasher: PersonHasher) -> PersonId:
    """Return the person of `subject`; without one the token's own.

    Raises ScopeMissing, PersonNotYours, SubjectNotYours, or FieldsInvalid when a partner names
    nobody.
    """
    caller.need_to_act()
    if subject is None and caller.subject is None:
        raise FieldsInvalid(
            "An API key acts for somebody: name the subject.", (("/subject", "is missing"),)
        )
    return hasher.person(caller.subject_for(subject or "me"))


def person_in_body(body: Any, caller: ThisCaller, hasher: ThisHasher) -> PersonId:
    """The person whom a body names by its `subject`. Raises what may_order_for raises."""
    return may_order_for(body.subject, caller, hasher)

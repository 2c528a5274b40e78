"""The person that a caller may act for when the body, not the path, names them."""

from service.errors import FieldsInvalid
from service.partners.caller import Caller
from service.partners.person import PersonHasher, PersonId


def may_order_for(subject: str | None, caller: Caller, hasher: PersonHasher) -> PersonId:
    """Return the person of `subject`; without one the token's own.

    Raises ScopeMissing, SubjectNotYours, or FieldsInvalid when a partner names nobody.
    """
    caller.need("points:write")
    if subject is None and caller.subject is None:
        raise FieldsInvalid(
            "An API key acts for somebody: name the subject.", (("/subject", "is missing"),)
        )
    return hasher.person(caller.subject_for(subject or "me"))

"""HTTP for a person's rights: parse, call one use case, answer. No SQL, no rules."""

from typing import Annotated

from fastapi import APIRouter, Depends

from service.http.dependencies import Now, Transaction
from service.http.problems import documented
from service.partners.dependencies import ThisCaller, ThisHasher
from service.partners.person import PersonId
from service.rights.erase import erase_person
from service.rights.schemas import ErasureView

router = APIRouter(
    prefix="/v1/people", tags=["People and points"], responses=documented(401, 403, 422, 503)
)


async def erasable(subject: str, caller: ThisCaller, hasher: ThisHasher) -> PersonId:
    """Return whom the caller may forget: a token its person, a test key its own test person, an
    operator a subject of the programme. Raises ScopeMissing for anybody else."""
    if caller.subject is None and not caller.is_test:
        caller.need("operator")
        return hasher.person(subject)
    return hasher.person(caller.subject_for(subject))


@router.delete("/{subject}", status_code=202)
async def erase(
    person: Annotated[PersonId, Depends(erasable)],
    hasher: ThisHasher,
    session: Transaction,
    now: Now,
) -> ErasureView:
    """Forget a person, for good: `me`, or a programme subject by an operator.

    Their data, profile, friends, names on certificates and the salts of their receipts are gone at
    once, and notices to endpoints about them within a minute. Grams, points and trees stay as sums
    of nobody. Events of before are answered with 410 for 30 days.
    """
    done = await erase_person(session, person, hasher, now=now)
    return ErasureView(erasure_id=done.erasure_id, erased_at=done.erased_at, actions=done.actions)

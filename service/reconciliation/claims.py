"""That every credited action owns what it claims, read again from its data. Reads only."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from methodologies.catalogue import Catalogue
from methodologies.contract import DataInvalid, Refusal
from service.intake.claim_key import Claim, ClaimKeys

CHUNK = 2_000
# A superseded action has given its claim away: until the worker has reversed it, a mark says so.
_CREDITED = text("""
    SELECT action_id, partner, methodology, region, local_day, evidence_level, data FROM action
    WHERE outcome IN ('credited', 'capped', 'zero')
      AND NOT EXISTS (
          SELECT 1 FROM reversal WHERE reversal.bucket = action.bucket
          AND reversal.person_id = action.person_id AND reversal.action_id = action.action_id
          AND reversal.reason = 'superseded')
      AND NOT EXISTS (
          SELECT 1 FROM claim_meeting WHERE claim_meeting.holder_id = action.action_id
          AND claim_meeting.kind = 'superseded')
""").columns(data=JSONB)
_OWNERS = text("""
    SELECT claim.claim_key, claim.action_id
    FROM unnest(CAST(:buckets AS int2[]), CAST(:keys AS uuid[])) AS input(bucket, claim_key)
    JOIN claim USING (bucket, claim_key)
""")


@dataclass(frozen=True, slots=True)
class ClaimReader:
    """What reading the claims of a recorded action again needs."""

    catalogue: Catalogue
    keys: ClaimKeys

    def claims_of(self, action: RowMapping) -> Iterator[Claim]:
        """Yield what an action claims, by the version that assessed it."""
        try:
            result = self.catalogue.assess_under(
                action["methodology"],
                region=action["region"],
                day=action["local_day"],
                level=action["evidence_level"],
                data=action["data"],
            )
        except DataInvalid:
            return
        if not isinstance(result, Refusal):
            for claim in result.claims:
                yield self.keys.of(
                    claim, environment="", partner=action["partner"], data=action["data"]
                )


async def count_unowned(session: AsyncSession, reader: ClaimReader) -> int:
    """Return how many credited actions do not own a claim of theirs."""
    unowned = 0
    rows = await session.stream(_CREDITED, execution_options={"yield_per": CHUNK})
    async for chunk in rows.mappings().partitions(CHUNK):
        unowned += await _unowned(session, reader, chunk)
    return unowned


async def _unowned(
    session: AsyncSession, reader: ClaimReader, actions: Sequence[RowMapping]
) -> int:
    claimed = [(one["action_id"], [*reader.claims_of(one)]) for one in actions]
    keys = {
        (key.bucket, key.id)
        for _, claims in claimed
        for claim in claims
        for key in (claim, claim.earlier)
        if key is not None
    }
    named = {"buckets": [bucket for bucket, _ in keys], "keys": [key for _, key in keys]}
    rows = await session.execute(_OWNERS, named)
    owners: dict[UUID, UUID] = {row.claim_key: row.action_id for row in rows}
    return sum(
        any(not _owns(action_id, claim, owners) for claim in claims)
        for action_id, claims in claimed
    )


def _owns(action_id: UUID, claim: Claim, owners: dict[UUID, UUID]) -> bool:
    """Whether an action owns a claim, in its own form or in the one of version 0.1.0."""
    if owners.get(claim.id) == action_id:
        return True
    return claim.earlier is not None and owners.get(claim.earlier.id) == action_id

"""Use case: write down which policy and versions are in force, when they are others than before."""

from datetime import datetime
from hashlib import sha256

from anyio import Path
from sqlalchemy.ext.asyncio import AsyncSession

from methodologies.plugins import load_all
from service.audit.in_force import note_in_force
from service.points.policy import POLICY_FILE
from service.restate.commands import version_rows
from service.settings import Settings


async def note_rules(session: AsyncSession, settings: Settings, *, now: datetime) -> None:
    """Look at the files that programs start with. Idempotent."""
    catalogue = load_all(settings.methodology_path, now.date())
    versions = {f"{row[0]}@{row[1]}": f"{row[2]}, {row[3]}" for row in version_rows(catalogue)}
    content = await Path(settings.policy or POLICY_FILE).read_bytes()
    policy = {"sha256": sha256(content).hexdigest()}
    await note_in_force(session, "policy:points", policy, now=now)
    await note_in_force(session, "catalogue:versions", versions, now=now)

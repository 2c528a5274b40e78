"""Wire shapes of a person's rights."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field


class ErasureView(BaseModel):
    """That a person is forgotten."""

    erasure_id: UUID
    erased_at: datetime
    actions: int = Field(description="How many actions are nobody's now.")

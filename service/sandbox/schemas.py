"""Wire shapes of test data."""

from pydantic import BaseModel


class Wiped(BaseModel):
    """What was deleted from the sandbox."""

    actions: int

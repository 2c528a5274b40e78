"""PostgreSQL that need not outlive a power cut. It imports little: programs are started with it."""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from service.embedded.postgres import SETTINGS

# What a kill of any process cannot lose the kernel still writes: only a power cut is not survived.
# The flows that kill, fill disks or restore keep the service's own settings, and assert that.
NOT_DURABLE = {"fsync": "off", "full_page_writes": "off"}


@contextmanager
def not_durable() -> Iterator[None]:
    """PostgreSQL that is started within the block does not wait for the disk."""
    with patch.dict(SETTINGS, NOT_DURABLE):
        yield

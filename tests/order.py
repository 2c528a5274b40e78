"""Which tests are left to the soak, which run on one process of xdist, and what comes first."""

from collections.abc import Iterator

import pytest
from soak import IS_SOAK

# Systems that tests share are started once, by the process that has all of these tests. A module's
# tests stay together, too, for the sake of its fixtures.
SYSTEMS = ("system", "fragile")
# The longest begin, so that no process is left with one of them when the others are done.
LONGEST = (
    "test_flow_faults",
    *SYSTEMS,
    "test_flow_overload",
    "test_flow_drain",
    "test_up",
    "test_restating",
    "test_restate_commands",
    "test_loader",
    "test_register",
    "test_in_force",
    "test_webhook_delivering",
)


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> Iterator[None]:
    """Put the tests into groups, each for one process, and the groups of LONGEST before others."""
    left_out = [one for one in items if one.get_closest_marker("soak") and not IS_SOAK]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [one for one in items if one not in left_out]
    for item in items:
        item.add_marker(pytest.mark.xdist_group(group_of(item)))
    yield  # xdist reads the groups, and the order is made random
    ranks = {name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(group_of(item), len(ranks)))


def group_of(item: pytest.Item) -> str:
    """The system that a test shares with others; for all others their module."""
    shared = [name for name in SYSTEMS if name in getattr(item, "fixturenames", ())]
    return shared[0] if shared else item.path.stem

"""Which tests are left to the soak, which run on one process of xdist, and what comes first."""

from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

import pytest
from soak import IS_SOAK
from xdist.scheduler import LoadScopeScheduling

# A module's tests stay together for the sake of its fixtures; and those of all modules that share a
# system, so that it is started once.
SHARED = {
    "system": ("test_flow_concurrent_writers", "test_flow_floods", "test_flow_openapi",
               "test_flow_processes", "test_flow_replay", "test_flow_same_event"),
    "fragile": ("test_flow_drain", "test_flow_flush", "test_flow_kill", "test_flow_webhooks"),
}  # fmt: skip
GROUPS = {module: system for system, modules in SHARED.items() for module in modules}
# The longest begin, so that no process is left with one of them when the others are done.
LONGEST = (
    "fragile",
    "system",
    "test_flow_faults",
    "test_flow_wheels",
    "test_up",
    "test_restating",
    "test_restate_commands",
    "test_loader",
    "test_register",
    "test_in_force",
    "test_webhook_delivering",
)


class ByGroup(LoadScopeScheduling):
    """Hands whole groups to the processes, in the order of the collection."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByGroup:
    """Distribute by groups, whatever `--dist` says."""
    return ByGroup(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> Iterator[None]:
    """Leave out the soak's tests outside of a soak, and put the groups of LONGEST before others."""
    yield  # here the order is made random
    left_out = [one for one in items if one.get_closest_marker("soak") and not IS_SOAK]
    config.hook.pytest_deselected(items=left_out)
    kept = [one for one in items if one not in left_out]
    for item in kept:
        shared = SHARED.keys() & set(getattr(item, "fixturenames", ()))
        assert shared <= {group_of(item.nodeid)}, f"SHARED has to name {item.path.stem}"
    ranks = {name: rank for rank, name in enumerate(LONGEST)}
    items[:] = sorted(kept, key=lambda item: ranks.get(group_of(item.nodeid), len(ranks)))


def group_of(nodeid: str) -> str:
    """The system that a test's module shares with others, or the module itself."""
    module = PurePath(nodeid.partition("::")[0]).stem
    return GROUPS.get(module, module)

"""What the gate does shortly, and `make soak` at length: the number of examples, and their seed."""

import os

from hypothesis import settings

IS_SOAK = "SOAK" in os.environ
LONGER = 10

# A slow machine is no failure, and nothing is kept between runs: a seed brings a run back.
settings.register_profile("here", deadline=None, database=None)
settings.register_profile("gate", settings.get_profile("here"), derandomize=True)
settings.register_profile("soak", settings.get_profile("here"), max_examples=100 * LONGER)


def load_profile() -> None:
    """The gate's examples are the same ones each time; others are as random as they can be."""
    gate = "gate" if "CI" in os.environ else "here"
    settings.load_profile("soak" if IS_SOAK else gate)


def examples(count: int) -> int:
    """How many examples of something dear: `count` in the gate, more in a soak."""
    return count * LONGER if IS_SOAK else count

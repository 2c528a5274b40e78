"""Reads policy.yaml: dated policies, each complete after what it leaves out is carried over.

Errors name file and line; a program does not start with a policy that it does not understand.
"""

from collections.abc import Sequence
from datetime import date, time
from itertools import pairwise
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from service.settings import PROGRAMME_FROM

OWNER_KEEPS_AT_LEAST_PERCENT = 60
LONGEST_H = 24 * 366


class PolicyInvalid(ValueError):
    """A policy file that is not understood; the message has file, line and what is wrong."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Caps(_Part):
    """What one person may be awarded for one activity; None is no cap."""

    actions_per_day: int | None = Field(None, ge=1)
    actions_per_month: int | None = Field(None, ge=1)
    points_per_day: int | None = Field(None, ge=1)
    points_per_month: int | None = Field(None, ge=1)


class Ripens(_Part):
    """When points may be collected: a local time some days after, or hours after the action."""

    days: int | None = Field(None, ge=0, le=60)
    at: time | None = None
    after_h: int | None = Field(None, ge=0, le=LONGEST_H)

    @model_validator(mode="before")
    @classmethod
    def _read(cls, value: object) -> object:
        return {"after_h": 0} if value == "at_once" else value

    @model_validator(mode="after")
    def _is_one_of_two(self) -> "Ripens":
        by_day, by_hours = (self.days, self.at) != (None, None), self.after_h is not None
        if by_day == by_hours or (by_day and None in (self.days, self.at)):
            raise ValueError("say `days` and `at`, or `after_h`, or `at_once`")
        return self


class RuleFile(_Part):
    """One activity in a policy file; None stands for the default."""

    points_per_gram: int | None = Field(None, ge=0)
    flat_points: int | None = Field(None, ge=0)
    caps: Caps | None = None
    evidence: str | None = Field(None, pattern="^L[0-4]$")
    ripens: Ripens | None = None
    lapses_after_h: int | None = Field(None, ge=1, le=LONGEST_H)


class DefaultFile(_Part):
    """The values of every activity that does not state its own."""

    points_per_gram: int = Field(ge=0)
    caps: Caps
    evidence: str = Field("L0", pattern="^L[0-4]$")
    ripens: Ripens
    lapses_after_h: int = Field(ge=1, le=LONGEST_H)


class Watering(_Part):
    """Points that may be given to a friend at once, and how often a day."""

    sizes: tuple[Annotated[int, Field(ge=1, le=100_000)], ...] = Field(min_length=1)
    a_day_to_one_friend: int = Field(ge=1, le=100)


class Taking(_Part):
    """What a friend may take of a ripe, uncollected earning."""

    share_percent: int = Field(ge=1, le=100 - OWNER_KEEPS_AT_LEAST_PERCENT)
    owner_keeps_percent: int = Field(ge=OWNER_KEEPS_AT_LEAST_PERCENT, le=100)


class Shield(_Part):
    """What keeps friends from taking; 0 points: it is granted to whoever asks."""

    points: int = Field(ge=0)
    hours: int = Field(ge=1, le=LONGEST_H)
    ahead_hours: int = Field(ge=1, le=LONGEST_H)


def _is_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"there is no time zone {name!r}") from error
    return name


class Gifts(_Part):
    """How points may pass between friends. `zone` says whose day it is."""

    zone: Annotated[str, AfterValidator(_is_zone)]
    watering: Watering
    taking: Taking
    shield: Shield


class NewAccounts(_Part):
    """How long points of actions are pending for spending: until an account is `days` old, or has
    actions on `days_with_actions` days. With 0 `days` they never are.
    """

    days: int = Field(ge=0, le=60)
    days_with_actions: int = Field(ge=1, le=60)


class LevelFile(_Part):
    """The most points that one person may have of all actions of an evidence level together."""

    points_per_day: int = Field(ge=0)
    points_per_month: int = Field(ge=0)


Levels = dict[Annotated[str, Field(pattern="^L0$")], LevelFile]


class _DatedFile(_Part):
    start: date = Field(alias="from")
    default: DefaultFile | None = None
    activities: dict[str, RuleFile] = {}
    gifts: Gifts | None = None
    levels: Levels | None = None
    new_accounts: NewAccounts | None = None


class DatedPolicy(_Part):
    """One complete policy: what the file left out is taken from the policy before."""

    start: date
    default: DefaultFile
    activities: dict[str, RuleFile]
    gifts: Gifts
    levels: Levels = {}
    new_accounts: NewAccounts | None = None


def read_policies(path: Path) -> list[DatedPolicy]:
    """Return the dated policies of a file, oldest first.

    Raises PolicyInvalid, with file and line: for unknown and doubled keys, values out of range,
    dates out of order, and a first policy that is not complete or begins after the programme.
    """
    try:
        loader = yaml.SafeLoader(path.read_text())
        node = loader.get_single_node()
        if node is None:
            raise PolicyInvalid(f"{path}:1: there is no policy")
        _check_keys(path, node)
        files = TypeAdapter(list[_DatedFile]).validate_python(loader.construct_document(node))
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyInvalid(f"{path}: cannot be read: {error}") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise PolicyInvalid(f"{path}:{line}: {error.problem}") from error
    except ValidationError as error:
        all_wrong = error.errors()  # a misspelt key says more than the one that it was meant to be
        wrong = next((one for one in all_wrong if one["type"] == "extra_forbidden"), all_wrong[0])
        at = ".".join(str(part) for part in wrong["loc"])
        assert node is not None
        line = _line_of(node, wrong["loc"])
        raise PolicyInvalid(f"{path}:{line}: {at}: {wrong['msg']}") from error
    lines = [one.start_mark.line + 1 for one in node.value]
    return _completed(path, files, lines)


def _completed(path: Path, files: Sequence[_DatedFile], lines: Sequence[int]) -> list[DatedPolicy]:
    if not files:
        raise PolicyInvalid(f"{path}:1: there is no policy")
    first = files[0]
    if first.start > PROGRAMME_FROM:
        raise PolicyInvalid(
            f"{path}:{lines[0]}: from: the first policy must begin on {PROGRAMME_FROM} or before: "
            f"days up to {first.start} would have none"
        )
    if first.default is None or first.gifts is None:
        raise PolicyInvalid(f"{path}:{lines[0]}: the first policy needs `default` and `gifts`")
    for (earlier, later), line in zip(pairwise(files), lines[1:], strict=True):
        if later.start <= earlier.start:
            raise PolicyInvalid(
                f"{path}:{line}: from: {later.start} must be later than {earlier.start} before it"
            )
    stands = DatedPolicy(start=first.start, default=first.default, activities={}, gifts=first.gifts)
    found = []
    for file in files:
        stands = DatedPolicy(
            start=file.start,
            default=file.default or stands.default,
            activities={**stands.activities, **file.activities},
            gifts=file.gifts or stands.gifts,
            levels=stands.levels if file.levels is None else file.levels,
            new_accounts=file.new_accounts or stands.new_accounts,
        )
        found.append(stands)
    return found


def _check_keys(path: Path, node: yaml.Node) -> None:
    """Raise PolicyInvalid for a key that is given twice: YAML would take the last one silently."""
    if isinstance(node, yaml.SequenceNode):
        for one in node.value:
            _check_keys(path, one)
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if key.value in seen:
                line = key.start_mark.line + 1
                raise PolicyInvalid(f"{path}:{line}: {key.value}: is said twice")
            seen.add(key.value)
            _check_keys(path, value)


def _line_of(node: yaml.Node, path: Sequence[int | str]) -> int:
    """Return the line of the deepest part of `path` that the file has."""
    line = node.start_mark.line
    for part in path:
        if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line
        elif isinstance(node, yaml.MappingNode):
            found = next((pair for pair in node.value if pair[0].value == str(part)), None)
            if found is None:
                break
            line, node = found[0].start_mark.line, found[1]
        else:
            break
    return int(line) + 1

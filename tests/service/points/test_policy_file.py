"""Policies are dated data: what is wrong is said with its line, and the past is not edited."""

from datetime import date, datetime, timedelta, timezone
from hashlib import sha256
from pathlib import Path

import httpx
import orjson
import pytest

from service.points.policy import EVIDENCE, POLICY_FILE, Awarded, award, load_policy
from service.points.policy_file import PolicyInvalid, read_policies

CHINA = timezone(timedelta(hours=8))
LATER = ("levels", "new_accounts")
LOCK = POLICY_FILE.with_name("policy.lock")
SHIPPED = POLICY_FILE.read_text()
GIFTS = """
  gifts:
    zone: Asia/Shanghai
    watering: {sizes: [10], a_day_to_one_friend: 3}
    taking: {share_percent: 10, owner_keeps_percent: 60}
    shield: {points: 0, hours: 24, ahead_hours: 48}
"""
BEIJING = (
    """
- from: 2021-01-01
  default:
    points_per_gram: 1
    caps: {points_per_day: 1000}
    ripens: {days: 2, at: "00:00"}
    lapses_after_h: 168
"""
    + GIFTS
)
GCASH = (
    """
- from: 2021-01-01
  default:
    points_per_gram: 1
    caps: {points_per_day: 1000}
    ripens: {after_h: 24}
    lapses_after_h: 72
  activities:
    paper.einvoice: {flat_points: 5, ripens: at_once, lapses_after_h: 24, evidence: L2}
"""
    + GIFTS
)


def written(folder: Path, text: str) -> Path:
    file = folder / "policy.yaml"
    file.write_text(text)
    return file


def test_points_can_ripen_after_two_days_and_lapse_after_seven(tmp_path: Path) -> None:
    rule = load_policy(written(tmp_path, BEIJING)).rule("transit.metro", date(2026, 6, 15))

    ripe = rule.ripe_at(datetime(2026, 6, 15, 8, 30, tzinfo=CHINA))

    assert ripe == datetime(2026, 6, 17, tzinfo=CHINA)
    assert ripe + rule.lapses_after == datetime(2026, 6, 24, tzinfo=CHINA)


def test_points_can_ripen_after_hours_or_at_once(tmp_path: Path) -> None:
    policy = load_policy(written(tmp_path, GCASH))
    at = datetime(2026, 6, 15, 8, 30, tzinfo=CHINA)

    ride, invoice = (policy.rule(name, at.date()) for name in ("transit.metro", "paper.einvoice"))

    assert ride.ripe_at(at) == at + timedelta(hours=24)
    assert (invoice.ripe_at(at), invoice.lapses_after) == (at, timedelta(hours=24))


def test_weak_evidence_is_awarded_nothing(tmp_path: Path) -> None:
    rule = load_policy(written(tmp_path, GCASH)).rule("paper.einvoice", date(2026, 6, 15))

    assert award(rule, 0, Awarded(), level="L1") == (0, EVIDENCE)
    assert award(rule, 0, Awarded(), level="L2") == (5, None)


def test_a_later_policy_says_only_what_changes() -> None:
    before, after = (load_policy().in_force(date(2024, 11, 30) + timedelta(d)) for d in (0, 1))

    assert (before.end, after.start, after.end) == (
        date(2024, 11, 30), date(2024, 12, 1), date(2026, 11, 30)
    )  # fmt: skip
    changed = {n for n, rule in after.activities.items() if before.activities[n] != rule}
    assert changed == {"paper.einvoice"}
    assert (after.default, after.gifts) == (before.default, before.gifts)


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("points_per_gram: 1", "points_per_gramme: 1", 4, "points_per_gramme"),
        ("lapses_after_h: 72", "lapses_after_h: soon", 7, "lapses_after_h"),
        ("    lapses_after_h: 72\n", "", 3, "lapses_after_h"),
        ("{after_h: 24}", "{days: 1}", 6, "say `days` and `at`"),
        ("{after_h: 24}", "{days: 1, at: '07:00', after_h: 1}", 6, "say `days` and `at`"),
        ("flat_points: 5", "flat_points: -5", 9, "flat_points"),
        ("evidence: L2", "evidence: L9", 9, "evidence"),
        ("2021-01-01", "2021-06-01", 2, "must begin on 2021-01-01 or before"),
        ("owner_keeps_percent: 60", "owner_keeps_percent: 59", 14, "owner_keeps_percent"),
        ("Asia/Shanghai", "Asia/Nowhere", 12, "no time zone"),
        ("  activities:", "  default: {}\n  activities:", 8, "said twice"),
        ("flat_points: 5,", "flat_points: [5,", 9, "expected"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(
    tmp_path: Path, old: str, new: str, line: int, said: str
) -> None:
    assert old in GCASH
    file = written(tmp_path, GCASH.replace(old, new, 1))

    with pytest.raises(PolicyInvalid) as raised:
        load_policy(file)

    assert str(raised.value).startswith(f"{file}:{line}:"), raised.value
    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("- from: 2021-01-01\n", "must be later than 2021-01-01"),
        ("- from: 2020-01-01\n", "must be later than 2021-01-01"),
    ],
)
def test_dates_are_in_order(tmp_path: Path, more: str, said: str) -> None:
    with pytest.raises(PolicyInvalid, match=said):
        load_policy(written(tmp_path, GCASH + more))


@pytest.mark.parametrize("text", ["", "[]", "just words"])
def test_a_file_without_a_policy_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(PolicyInvalid):
        load_policy(written(tmp_path, text))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PolicyInvalid, match="nowhere"):
        load_policy(tmp_path / "nowhere.yaml")


def digests() -> dict[str, str]:
    return {
        f"{one.start}": sha256(
            orjson.dumps(
                # A policy from before there were these keeps its digest.
                one.model_dump(
                    mode="json", exclude={name for name in LATER if not getattr(one, name)}
                ),
                option=orjson.OPT_SORT_KEYS,
            )
        ).hexdigest()
        for one in read_policies(POLICY_FILE)
    }


def test_a_published_policy_is_not_edited() -> None:
    locked = dict(line.split() for line in LOCK.read_text().splitlines())
    now = digests()

    assert {start: now.get(start) for start in locked} == locked, (
        "a policy that stood has changed: put it back, and add a new one with a later date"
    )
    assert locked.keys() == now.keys(), f"add to {LOCK.name}: {now}"


async def test_the_policy_in_force_is_public(public: httpx.AsyncClient) -> None:
    shown = (await public.get("/v1/policies", params={"on": "2024-11-30"})).json()

    assert (shown["since"], shown["until"]) == ("2021-01-01", "2024-11-30")
    assert shown["activities"]["paper.einvoice"]["flat_points"] is None
    assert shown["default"]["said"].startswith("1 points for each full gram; at most 20000")
    assert shown["gifts"]["watering"]["sizes"] == [10, 18, 33, 66]
    today = (await public.get("/v1/policies")).json()
    assert (today["since"], today["until"]) == ("2024-12-01", "2026-11-30")
    assert today["activities"]["paper.einvoice"]["flat_points"] == 5


async def test_a_day_that_is_none_is_said(public: httpx.AsyncClient) -> None:
    answer = await public.get("/v1/policies", params={"on": "2024-13-30"})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/query/on"

"""Seven in the morning: everybody collects. People are prepared by the API, then all come."""

import json
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from loadtest.bench.client import BATCH_TYPE, post

RIPE_DAYS_AGO = 3  # points of a late event ripen at once, at any time of the day
ACTIVITIES: dict[str, tuple[str, int, dict[str, object], str]] = {
    "transit.metro": ("metro-bj", 794, {"distance_km": "12.4"}, "trip_id"),
    "food.no_cutlery": ("eats", 12, {"sets": 1}, "order_id"),
}
POINTS = {activity: points for activity, (_, points, _, _) in ACTIVITIES.items()}
BATCH_PEOPLE = 250


def crowd(count: int) -> list[str]:
    """Subjects that nobody has yet."""
    run = secrets.token_hex(4)
    return [f"storm-{run}-{number}" for number in range(count)]


def local_day() -> str:
    """The day on which they earned something."""
    return (datetime.now(UTC) - timedelta(days=RIPE_DAYS_AGO)).date().isoformat()


def earning_requests(url: str, key: str, subjects: Sequence[str]) -> list[bytes]:
    """Batches that give everybody an earning of each activity."""
    return [
        post(url, "/v1/events", _batch(subjects[at : at + BATCH_PEOPLE]), content_type=BATCH_TYPE,
             key=key)
        for at in range(0, len(subjects), BATCH_PEOPLE)
    ]  # fmt: skip


def collect_requests(url: str, key: str, subjects: Sequence[str], path: str) -> list[bytes]:
    """One request for each person."""
    return [
        post(url, path.format(subject), b"", content_type="application/json", key=key)
        for subject in subjects
    ]


def _batch(subjects: Sequence[str]) -> bytes:
    at = f"{local_day()}T08:30:00Z"
    events = [
        {
            "specversion": "1.0",
            "id": f"{subject}-{activity}",
            "source": source,
            "type": activity,
            "subject": subject,
            "time": at,
            "data": {**data, "region": "CN", claim: f"{subject}-{activity}"},
        }
        for subject in subjects
        for activity, (source, _, data, claim) in ACTIVITIES.items()
    ]
    return json.dumps(events).encode()

"""A plain model of the rules: what each report, collect and reversal must be answered, in dicts.

It takes the sums from the methodologies, which have tests of their own, and the caps from
policy.yaml, and knows no code of the service.
"""

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any

import yaml
from flow_clients import Event

from methodologies.catalogue import Catalogue
from methodologies.contract import Assessment, Refusal

LATE = timedelta(days=30)
GIVING = ("credited", "capped", "zero")


def load_rules(text: str) -> list[dict[str, Any]]:
    """Return the dated policies, oldest first."""
    stands: dict[str, Any] = {"activities": {}}
    found = []
    for one in yaml.safe_load(text):
        activities = {**stands["activities"], **one.get("activities", {})}
        stands = {**stands, **one, "activities": activities}
        found.append(stands)
    return found


@dataclass(slots=True)
class Earning:
    """The points of one person, day and activity."""

    ripens_at: datetime
    lapses_at: datetime
    actions: int = 0
    points: int = 0
    gross_mg: int = 0
    quantity_milli: int = 0
    collected: int = 0
    taken_back: int = 0
    lapsed: int = 0
    reversed: int = 0
    to_friends: int = 0
    takers: set[str] = field(default_factory=set)

    def left(self) -> int:
        return self.points - self.collected - self.lapsed - self.reversed - self.to_friends

    def lapse(self, now: datetime) -> None:
        """Lapse what was not collected in time."""
        if self.lapses_at <= now:
            self.lapsed += self.left()


@dataclass(slots=True)
class Action:
    """An event that was recorded, and its first answer."""

    event: Event
    answer: dict[str, Any]
    recorded_at: datetime
    reversal: dict[str, Any] | None = None


@dataclass(slots=True)
class Person:
    """What one person has."""

    balance: int = 0
    shielded_until: datetime | None = None
    watered: list[tuple[date, str]] = field(default_factory=list)
    entries: list[int] = field(default_factory=list)
    earnings: dict[tuple[date, str, int], Earning] = field(default_factory=dict)
    actions: dict[tuple[str, str], Action] = field(default_factory=dict)

    def rounds(self, day: date, activity: str) -> list[Earning]:
        """Return a day's earnings of an activity: another one begins after the last has lapsed."""
        return [one for key, one in self.earnings.items() if key[:2] == (day, activity)]

    def enter(self, points: int) -> None:
        """Append a line that changes the balance; 0 points are no line."""
        if points:
            self.entries.append(points)
            self.balance += points


@dataclass(slots=True)
class Ledger:
    """The model's facts of everybody; every time is an argument."""

    catalogue: Catalogue
    policies: list[dict[str, Any]]
    people: dict[str, Person] = field(default_factory=dict)
    claimed: set[str] = field(default_factory=set)
    granted: int = 0
    spent: int = 0

    def person(self, subject: str) -> Person:
        return self.people.setdefault(subject, Person())

    def report(self, event: Event, now: datetime) -> dict[str, Any]:
        """Return what an event must be answered; `conflict` when its name has other content."""
        person = self.person(event["subject"])
        known = person.actions.get((event["source"], event["id"]))
        if known is not None:
            if known.event != event:
                return {"conflict": True}
            return {**known.answer, "duplicate": True}
        answer = self._decide(person, event, now)
        person.actions[event["source"], event["id"]] = Action(event, answer, now)
        return {**answer, "duplicate": False}

    def collect(self, subject: str, now: datetime) -> dict[str, Any]:
        """Move everything that is ripe and not lapsed to the balance."""
        person, points = self.person(subject), 0
        for earning in person.earnings.values():
            if earning.ripens_at <= now < earning.lapses_at:
                points += earning.left()
                earning.collected += earning.left()
        person.enter(points)
        return {"points": points, "balance": person.balance}

    def grant(self, subject: str, points: int) -> None:
        """Grant points that no action earned."""
        self.granted += points
        self.person(subject).enter(points)

    def water(self, giver: str, friend: str, points: int, today: date) -> str | None:
        """Give points to a friend; return the problem, if there is one."""
        rules, person = self._gifts(today)["watering"], self.person(giver)
        if person.watered.count((today, friend)) >= rules["a_day_to_one_friend"]:
            return "watered-enough"
        if person.balance < points:
            return "not-enough-points"
        person.watered.append((today, friend))
        person.enter(-points)
        self.person(friend).enter(points)
        return None

    def take(self, taker: str, owner: str, now: datetime) -> int | str:
        """Take a share of everything ripe; return the points, or the problem."""
        rules, person = self._gifts(now.date())["taking"], self.person(owner)
        if person.shielded_until is not None and person.shielded_until > now:
            return "friend-shielded"
        won = 0
        for one in person.earnings.values():
            if one.ripens_at <= now < one.lapses_at and one.left() and taker not in one.takers:
                kept = one.points - one.lapsed - one.reversed
                most = kept * (100 - rules["owner_keeps_percent"]) // 100 - one.to_friends
                share = min(max(1, one.left() * rules["share_percent"] // 100), most, one.left())
                if share > 0:
                    one.takers.add(taker)
                    one.to_friends += share
                    won += share
        if not won:
            return "nothing-to-take"
        self.person(taker).enter(won)
        return won

    def shield(self, subject: str, now: datetime) -> str | None:
        """Buy a shield for the policy's price; return the problem, if there is one."""
        rules, person = self._gifts(now.date())["shield"], self.person(subject)
        until = max(now, person.shielded_until or now) + timedelta(hours=rules["hours"])
        if until > now + timedelta(hours=rules["ahead_hours"]):
            return "shield-long-enough"
        if person.balance < rules["points"]:
            return "not-enough-points"
        person.shielded_until = until
        self.spend(subject, rules["points"])
        return None

    def spend(self, subject: str, points: int) -> None:
        """Spend points; below zero they come back."""
        self.spent += points
        self.person(subject).enter(-points)

    def sums(self) -> dict[str, int]:
        """Everybody's points; what lapsed was not collected, whether it is marked yet or not."""
        people = self.people.values()
        earnings = [one for person in people for one in person.earnings.values()]
        actions = [one for person in people for one in person.actions.values()]
        return {
            "issued": self.granted + sum(one.points for one in earnings),
            "balance": sum(person.balance for person in people),
            "not_collected": sum(one.left() + one.lapsed for one in earnings),
            "spent": self.spent,
            "reversed": sum(one.reversal["points"] for one in actions if one.reversal is not None),
        }

    def _gifts(self, day: date) -> dict[str, Any]:
        gifts: dict[str, Any] = [one for one in self.policies if one["from"] <= day][-1]["gifts"]
        return gifts

    def reverse(self, action: Action, reason: str, now: datetime) -> dict[str, Any] | None:
        """Return what is taken back: once, for one reason. None when that is refused."""
        if action.answer["outcome"] not in GIVING:
            return None
        if action.reversal is not None:
            return action.reversal if action.reversal["reason"] == reason else None
        event, person = action.event, self.person(action.event["subject"])
        taken = {"from_earning": 0, "from_balance": 0, "as_debt": 0}
        rounds = person.rounds(_day(event), event["type"])
        earning = next((one for one in rounds if one.lapses_at > action.recorded_at), None)
        if earning is not None:
            earning.lapse(now)
            taken["from_earning"] = min(action.answer["points"], earning.left())
            rest = min(
                action.answer["points"] - taken["from_earning"],
                earning.collected + earning.to_friends - earning.taken_back,
            )
            taken["from_balance"] = min(rest, max(0, person.balance))
            taken["as_debt"] = rest - taken["from_balance"]
            earning.reversed += taken["from_earning"]
            earning.taken_back += rest
        person.enter(-taken["from_balance"])
        person.enter(-taken["as_debt"])
        action.reversal = {
            "reason": reason,
            "avoided_mg": action.answer["avoided_mg"],
            "points": sum(taken.values()),
            **taken,
        }
        return action.reversal

    def statement(self, subject: str, now: datetime) -> dict[str, Any]:
        """Return what a person sees."""
        person = self.person(subject)
        for earning in person.earnings.values():
            earning.lapse(now)
        earnings = person.earnings.values()
        carbon = [one for one in person.actions.values() if _is_carbon(one)]
        return {
            "balance": max(0, person.balance),
            "debt": max(0, -person.balance),
            "ripening": sum(one.left() for one in earnings if one.ripens_at > now),
            "collectable": sum(one.left() for one in earnings if one.ripens_at <= now),
            "lapsed": sum(one.lapsed for one in earnings),
            "taken_by_friends": sum(one.to_friends for one in earnings),
            "issued": sum(one.points for one in earnings),
            "avoided_mg": str(sum(int(one.answer["avoided_mg"]) for one in carbon)),
            "actions": len(carbon),
        }

    def totals(self) -> dict[str, int]:
        """Return what all of it adds up to in public."""
        everyone = [list(person.actions.values()) for person in self.people.values()]
        actions = [one for some in everyone for one in some if one.answer["outcome"] in GIVING]
        carbon = [one for one in actions if _is_carbon(one)]
        undone = [one.reversal["points"] for one in actions if one.reversal is not None]
        return {
            "avoided_mg": sum(int(one.answer["avoided_mg"]) for one in carbon),
            "actions": len(carbon),
            "people": sum(any(one.answer["outcome"] in GIVING for one in s) for s in everyone),
            "points": sum(one.answer["points"] for one in actions) - sum(undone),
        }

    def _decide(self, person: Person, event: Event, now: datetime) -> dict[str, Any]:
        at, day = datetime.fromisoformat(event["time"]), _day(event)
        nothing = {"avoided_mg": "0", "points": 0, "ripens_at": None, "methodology": None}
        if now - at > LATE:
            return {**nothing, "outcome": "refused", "reason": "out_of_period"}
        data = {name: value for name, value in event["data"].items() if name != "region"}
        result = self.catalogue.assess(
            event["type"], region=event["data"]["region"], day=day, level=_level(event), data=data
        )
        if isinstance(result, Refusal):
            return {**nothing, "outcome": "refused", "reason": result.reason}
        nothing["methodology"] = result.methodology
        if self.claimed & set(result.claims):
            return {**nothing, "outcome": "already_claimed", "reason": "already_claimed"}
        self.claimed |= set(result.claims)
        limit = _limit(result, person.rounds(day, event["type"]))
        if limit is not None:
            return {**nothing, "outcome": "capped", "reason": limit}
        return self._credit(person, event, result, now)

    def _credit(
        self, person: Person, event: Event, result: Assessment, now: datetime
    ) -> dict[str, Any]:
        at, day = datetime.fromisoformat(event["time"]), _day(event)
        policy = [one for one in self.policies if one["from"] <= day][-1]
        rule = {**policy["default"], **policy["activities"].get(event["type"], {})}
        points, cap = self._award(person, event["type"], day, rule, result.credited_mg)
        ripens_at = _ripe(at, rule["ripens"])
        if ripens_at <= now:
            ripens_at = _ripe(now.astimezone(at.tzinfo), rule["ripens"])
        if points or result.credited_mg:
            lapses_at = ripens_at + timedelta(hours=rule["lapses_after_h"])
            rounds = person.rounds(day, event["type"])
            if not rounds or rounds[-1].lapses_at <= now:
                rounds.append(Earning(ripens_at, lapses_at))
                person.earnings[day, event["type"], len(rounds)] = rounds[-1]
            earning = rounds[-1]
            if points:
                if earning.left() == 0:
                    earning.ripens_at = ripens_at
                earning.lapses_at = max(earning.lapses_at, lapses_at)
            earning.actions += 1
            earning.points += points
            earning.gross_mg += result.gross_mg
            earning.quantity_milli += result.quantity_milli
        outcome = "capped" if cap else "credited" if result.credited_mg else "zero"
        return {
            "outcome": outcome,
            "reason": cap,
            "avoided_mg": str(result.credited_mg),
            "points": points,
            "methodology": result.methodology,
            "ripens_at": ripens_at if points else None,
        }

    @staticmethod
    def _award(
        person: Person, activity: str, day: date, rule: dict[str, Any], credited_mg: int
    ) -> tuple[int, str | None]:
        """Return points under the caps, and the cap that cut them."""
        points = rule.get("flat_points", credited_mg * rule["points_per_gram"] // 1000)
        days = {"day": [], "month": []}
        for (other, name, _), earning in person.earnings.items():
            if name == activity and (other.year, other.month) == (day.year, day.month):
                days["month"].append(earning)
                days["day"] += [earning] if other == day else []
        for span, earnings in days.items():
            most = rule["caps"].get(f"actions_per_{span}")
            if most is not None and sum(one.actions for one in earnings) >= most:
                return 0, f"actions_per_{span}"
        cap = None
        for span, earnings in days.items():
            most = rule["caps"].get(f"points_per_{span}")
            room = points if most is None else most - sum(one.points for one in earnings)
            if points > room:
                points, cap = room, f"points_per_{span}"
        return points, cap


def _limit(result: Assessment, rounds: list[Earning]) -> str | None:
    """Return the methodology's daily limit that one more action would pass."""
    edition = result.edition
    had = [
        sum(getattr(one, what) for one in rounds)
        for what in ("actions", "quantity_milli", "gross_mg")
    ]
    would = (had[0] + 1, had[1] + result.quantity_milli, had[2] + result.gross_mg)
    most = (edition.daily_actions, edition.daily_quantity_milli, edition.daily_gross_mg)
    names = ("actions", "quantity", "gross")
    for name, value, limit in zip(names, would, most, strict=True):
        if limit is not None and value > limit:
            return f"methodology_{name}_per_day"
    return None


def _ripe(at: datetime, ripens: dict[str, Any]) -> datetime:
    day = at.date() + timedelta(days=ripens["days"])
    return datetime.combine(day, time.fromisoformat(ripens["at"]), at.tzinfo)


def _day(event: Event) -> date:
    return datetime.fromisoformat(event["time"]).date()


def _level(event: Event) -> str:
    level: str = event.get("evidencelevel", "L1")
    return level


def _is_carbon(action: Action) -> bool:
    giving = action.answer["outcome"] in GIVING
    return giving and action.reversal is None and _level(action.event) != "L0"

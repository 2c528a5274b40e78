"""People with the app, and the public that looks at the totals.

Of what people do, opening the app is 4 parts of 14, earnings 3, collecting 3, planting, looking
back, the trees and the totals 1 each. Of all users 60 % are people with the app, 20 % readers of
the public page, 20 % merchants. These shares are a choice, as those of the mix are.
"""

import os
import random
import uuid

from locust import between, task

from loadtest.features import ORDERS, can
from loadtest.partner_user import MIX, PartnerUser, content_of
from loadtest.verdict import TALLY

SEEDED = int(os.environ.get("SAXAUL_LOAD_SEEDED", "0"))  # people with points from the start
SEEDED_SHARE = 0.5
PROJECT = os.environ.get("SAXAUL_LOAD_PROJECT", "")  # the one that everybody wants
PLANTED = (201, 409)  # too few points, sold out and out of season are true answers


class Person(PartnerUser):
    """A person opens the app, looks at earnings, trees and totals, collects and plants."""

    weight = 60
    wait_time = between(4, 8)

    def on_start(self) -> None:
        """Each user is one person of the mix; half of them have points that are ripe."""
        super().on_start()
        rich = SEEDED and random.random() < SEEDED_SHARE
        self.subject = MIX.seeded(random.randrange(SEEDED)) if rich else MIX.person()
        self.can_plant = can(self.client, ORDERS)

    @task(4)
    def open_the_app(self) -> None:
        """The app shows points and estimated avoided emissions first."""
        self.look(f"/v1/people/{self.subject}", "GET /v1/people/{subject}")

    @task(3)
    def look_at_earnings(self) -> None:
        self.look(f"/v1/people/{self.subject}/earnings", "GET /v1/people/{subject}/earnings")

    @task(3)
    def collect(self) -> None:
        self.client.post(
            f"/v1/people/{self.subject}/collect",
            headers=self.headers("application/json"),
            name="POST /v1/people/{subject}/collect",
        )

    @task(1)
    def plant(self) -> None:
        """The person collects, looks at the projects, and orders a tree of the wanted one."""
        if not self.can_plant:
            return
        self.collect()
        listed = self.client.get("/v1/projects", headers=self.headers(), name="GET /v1/projects")
        projects = listed.json()["data"] if listed.status_code == 200 else []
        if not projects:
            return
        with self.client.post(
            ORDERS,
            json={"project_id": PROJECT or projects[0]["project_id"], "subject": self.subject},
            headers={**self.headers("application/json"), "Idempotency-Key": str(uuid.uuid4())},
            name="POST /v1/orders",
            catch_response=True,
        ) as answer:
            TALLY.add_order(answer.status_code or 0, content_of(answer))
            if answer.status_code in PLANTED:
                answer.success()

    @task(1)
    def look_back(self) -> None:
        self.look(f"/v1/people/{self.subject}/actions?limit=20", "GET /v1/people/{subject}/actions")

    @task(1)
    def look_at_trees(self) -> None:
        self.look("/v1/projects", "GET /v1/projects")

    @task(1)
    def look_at_totals(self) -> None:
        self.look("/v1/totals", "GET /v1/totals")


class Reader(PartnerUser):
    """A reader looks at the public page, without a key."""

    weight = 20
    wait_time = between(1, 3)

    def on_start(self) -> None:
        """A reader needs no key."""

    @task(8)
    def totals(self) -> None:
        self.client.get("/v1/totals", name="GET /v1/totals")

    @task(1)
    def series(self) -> None:
        by = random.choice(("day", "month", "year"))
        self.client.get(f"/v1/totals/series?by={by}", name="GET /v1/totals/series")

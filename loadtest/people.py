"""People with the app, and the public that looks at the totals."""

import random

from locust import between, task

from loadtest.speaker import MIX, Speaker


class Person(Speaker):
    """Opens the app, looks at the earnings, collects, looks at the trees and the totals."""

    weight = 60
    wait_time = between(4, 8)

    def on_start(self) -> None:
        """Each is one person of the mix: hot ones have much to collect, cold ones little."""
        super().on_start()
        self.subject = MIX.person()

    @task(4)
    def open_the_app(self) -> None:
        """The first screen: points and estimated avoided emissions."""
        self.look(f"/v1/people/{self.subject}", "GET /v1/people/{subject}")

    @task(3)
    def look_at_earnings(self) -> None:
        """What ripens when."""
        self.look(f"/v1/people/{self.subject}/earnings", "GET /v1/people/{subject}/earnings")

    @task(3)
    def collect(self) -> None:
        """Move what is ripe to the balance."""
        self.client.post(
            f"/v1/people/{self.subject}/collect",
            headers=self.headers("application/json"),
            name="POST /v1/people/{subject}/collect",
        )

    @task(1)
    def look_back(self) -> None:
        """The newest actions."""
        self.look(f"/v1/people/{self.subject}/actions?limit=20", "GET /v1/people/{subject}/actions")

    @task(1)
    def look_at_trees(self) -> None:
        """What points could become."""
        self.look("/v1/projects", "GET /v1/projects")

    @task(1)
    def look_at_totals(self) -> None:
        """What everybody did together."""
        self.look("/v1/totals", "GET /v1/totals")


class Reader(Speaker):
    """Somebody on the public page, without a key."""

    weight = 20
    wait_time = between(1, 3)

    def on_start(self) -> None:
        """Needs nothing."""

    @task(8)
    def totals(self) -> None:
        """The figures at the top."""
        self.client.get("/v1/totals", name="GET /v1/totals")

    @task(1)
    def series(self) -> None:
        """The curve."""
        by = random.choice(("day", "month", "year"))
        self.client.get(f"/v1/totals/series?by={by}", name="GET /v1/totals/series")

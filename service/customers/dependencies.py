"""What routes depend on that is about customers: the hints of where their events go."""

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import BackgroundTasks, Depends, Request

from service.customers.hints import RouteHints
from service.http.runtime import runtime_of


@dataclass(frozen=True, kw_only=True)
class CustomersRuntime:
    """What this process remembers of customers' routes."""

    routes: RouteHints


class RouteTeller:
    """Lets every process forget a customer's route once the request's changes are committed."""

    def __init__(self, request: Request, background: BackgroundTasks) -> None:
        self._routes = runtime_of(request.app, CustomersRuntime).routes
        self._background = background

    def changed(self, customer_id: UUID) -> None:
        """Tell of one customer, after the answer."""
        self._background.add_task(self._routes.tell, customer_id)


ThisTeller = Annotated[RouteTeller, Depends()]

"""What a process remembers of customers' routes: hints. The truth is read under the locks.

A customer who is not remembered is taken for one who was never linked. A hint that is wrong costs
a second try and nothing else (`service.intake.commit`).
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from service.customers import store
from service.customers.route import Route
from service.partners.person import PersonId
from service.tasks import end, is_ending

CHANNEL = "sx:customer-routes"
ROUTES_MAX = 100_000  # about 50 MB a process
PAUSE_S = 0.5  # before another try to listen

_log = logging.getLogger(__name__)


class RouteHints:
    """Routes of linked customers, as this process saw them last; the oldest are forgotten."""

    def __init__(self, sessions: async_sessionmaker[AsyncSession], valkey: Redis) -> None:
        self._sessions = sessions
        self._valkey = valkey
        self._routes: OrderedDict[UUID, Route] = OrderedDict()

    def of(self, customer: PersonId) -> Route | None:
        """Return the route of a customer, as far as it is remembered; no query."""
        return self._routes.get(customer.id)

    async def refresh(self, customers: Sequence[PersonId]) -> None:
        """Read the routes of these customers anew."""
        async with self._sessions() as session:
            found = await store.find_routes(session, customers)
        for customer in customers:
            self._routes.pop(customer.id, None)
        self._routes.update(found)
        while len(self._routes) > ROUTES_MAX:
            self._routes.popitem(last=False)

    def forget(self, customer_id: UUID) -> None:
        """Forget one customer."""
        self._routes.pop(customer_id, None)

    async def tell(self, customer_id: UUID) -> None:
        """Let every process forget a customer whose route has just changed."""
        self.forget(customer_id)
        try:
            await self._valkey.publish(CHANNEL, customer_id.hex)
        except (RedisError, OSError) as error:
            _log.warning("other processes learn of a link by themselves: %r", error)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Forget what other processes tell of, until the end of the block."""
        task = asyncio.create_task(self._listen(), name="customer routes")
        try:
            yield
        finally:
            await end(task)

    async def _listen(self) -> None:
        while not is_ending():
            try:
                async with self._valkey.pubsub() as subscription:
                    await subscription.subscribe(CHANNEL)
                    self._routes.clear()  # what was told while nobody listened
                    while not is_ending():
                        message = await subscription.get_message(
                            ignore_subscribe_messages=True, timeout=1.0
                        )
                        if message is not None:
                            self.forget(UUID(message["data"]))
            except (RedisError, OSError) as error:
                _log.debug("routes are not listened to: %r", error)
            await asyncio.sleep(PAUSE_S)

"""`saxaul partner ...`: the commands of partners, and the one that wipes their test data."""

from service.partners.commands import app
from service.sandbox.commands import wipe_test
from service.webhooks.commands import confirm

app.command("wipe-test")(wipe_test)
app.command("confirm")(confirm)

__all__ = ["app"]

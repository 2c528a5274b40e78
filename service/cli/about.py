"""Commands that describe the program: its settings, its API."""

import orjson
import typer
from rich.table import Table

from service.app import create_app
from service.settings import Settings
from service.terminal import out


def show_settings() -> None:
    """List every setting with its value here and its meaning."""
    table = Table("variable", "value", "meaning")
    settings = Settings()
    for name, field in Settings.model_fields.items():
        variable = {"database_url": "DATABASE_URL", "redis_url": "REDIS_URL"}.get(
            name, f"SAXAUL_{name.upper()}"
        )
        value = getattr(settings, name)
        hidden = name.endswith("_url") and value and "@" in str(value)
        table.add_row(variable, "(set)" if hidden else str(value), field.description or "")
    out.print(table)


def openapi() -> None:
    """Print the OpenAPI document."""
    document = create_app(Settings()).openapi()
    typer.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS))

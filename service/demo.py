"""Demo data of the embedded default: a partner with keys and sources, people, projects.

Idempotent: what is there stays. `demo.json` in the data folder tells scripts and tests where
everything is; it holds keys, so only its owner may read it.
"""

import os
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy.ext.asyncio import AsyncSession

from service.acting import acting
from service.forest.catalogue import add_project, add_species, list_species
from service.forest.tables import Project, Species
from service.local import operator
from service.partners import store
from service.partners.caller import PROGRAMME
from service.partners.change_keys import put_key
from service.partners.issuer import make_issuer, mint_token
from service.partners.keys import make_key, split_key
from service.partners.person import PersonHasher
from service.partners.register import add_partner, put_sources
from service.points.store import lock_account
from service.resources import Resources

PARTNER = "demo"
SOURCES = ("metro-bj", "bus-bj", "bike", "eats", "mall", "parcel", "app")
PEOPLE = ("alice", "bob", "mei")
TOKEN_LIFETIME = timedelta(days=30)
KEYS = {
    "partner_key": ("events:write", "actions:read", "people:act"),
    "backfill_key": ("events:write", "events:backfill", "actions:read", "people:act"),
    "admin_key": ("admin",),
    "webhooks_key": ("webhooks:manage", "people:act"),  # lapses are about people
}

# Prices: Ant Forest's published exchange prices in grams, read as points.
PRICE_SOURCE = "Ant Forest exchange price, grams of green energy for one tree"
SPECIES = (
    Species(
        species="saxaul",
        scientific_name="Haloxylon ammodendron",
        local_name="梭梭",
        english_name="Saxaul",
        price_points=17_900,
        price_source=PRICE_SOURCE,
    ),
    Species(
        species="caragana",
        scientific_name="Caragana korshinskii",
        local_name="柠条",
        english_name="Caragana",
        price_points=16_930,
        price_source=PRICE_SOURCE,
    ),
    Species(
        species="red-willow",
        scientific_name="Salix gordejevii",
        local_name="红柳",
        english_name="Red willow",
        price_points=22_400,
        price_source=PRICE_SOURCE,
    ),
)


def _projects(today: date) -> tuple[Project, ...]:
    shared: dict[str, Any] = {
        "planting_partner": "Demo planting partner",
        "opens_on": today,
        "closes_on": today + timedelta(days=180),
        "stock": 1_000,
    }
    return (
        Project(
            project="alxa-saxaul", name="Saxaul, Alxa", species="saxaul",
            place="Alxa League, Inner Mongolia", region="CN-NM", price_points=17_900, **shared,
        ),
        Project(
            project="ordos-caragana", name="Caragana, Ordos", species="caragana",
            place="Ordos, Inner Mongolia", region="CN-NM", price_points=16_930, **shared,
        ),
        Project(
            project="minqin-red-willow", name="Red willow, Minqin", species="red-willow",
            place="Minqin County, Gansu", region="CN-GS", price_points=22_400, **shared,
        ),
    )  # fmt: skip


async def put_demo(resources: Resources, hasher: PersonHasher, home: Path) -> Path:
    """Make the demo data and write `demo.json`, and return its path."""
    make_issuer(home)
    file = home / "demo.json"
    before = orjson.loads(file.read_bytes()) if file.exists() else {}
    now = resources.clock()
    with acting(operator()):
        keys = await _put(resources, hasher, before, now)
    settings = resources.settings
    url = f"http://{settings.host}:{settings.port}"
    issuer = settings.oidc_issuer or url
    written = {
        "url": url,
        **keys,
        "partner": PARTNER,
        "sources": list(SOURCES),
        "people": list(PEOPLE),
        "person_token": mint_token(
            home,
            subject="alice",
            issuer=issuer,
            audience=settings.oidc_audience,
            lifetime=TOKEN_LIFETIME,
            clock=resources.clock,
        ),
        "issuer": issuer,
        "audience": settings.oidc_audience,
        "database_url": settings.database_url,
        "owner_database_url": settings.owner_database_url,
        "redis_url": settings.redis_url,
    }
    _write_private(file, orjson.dumps(written, option=orjson.OPT_INDENT_2))
    return file


async def _put(
    resources: Resources, hasher: PersonHasher, before: dict[str, Any], now: datetime
) -> dict[str, str]:
    """Put what is not there yet; the keys, of which `before` has those that were made earlier."""
    app_source = resources.settings.app_source
    async with resources.sessions() as session, session.begin():
        await add_partner(session, PARTNER, name="Demo partner", people=PROGRAMME, now=now)
        await put_sources(session, PARTNER, SOURCES, app_source=app_source, now=now)
        keys = {
            name: await _key(session, str(before.get(name, "")), scopes, now)
            for name, scopes in KEYS.items()
        }
        for person in PEOPLE:
            await lock_account(session, hasher.person(person), now)
        known = {row.species for row in await list_species(session)}
        for species in SPECIES:
            if species.species not in known:
                await add_species(session, Species(**species.model_dump()), now=now)
        for project in _projects(now.date()):
            await add_project(session, project, now=now)
    return keys


async def _key(session: AsyncSession, text: str, scopes: tuple[str, ...], now: datetime) -> str:
    """Return the key that `demo.json` has, as long as it opens; else a new one."""
    parts = split_key(text)
    if parts is not None:
        known = await store.find_key(session, parts[0])
        if known is not None and known.usable(parts[1], now):
            return text
    key = make_key()
    await put_key(session, key, partner=PARTNER, scopes=scopes, now=now, expires_at=None)
    return key.text


def _write_private(file: Path, content: bytes) -> None:
    unfinished = file.with_suffix(".tmp")
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
        out.write(content)
    unfinished.replace(file)

"""Use cases of the catalogue: species and projects on offer, and how they change."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select, update

from service.audit.record import audit
from service.errors import FieldsInvalid, NameTaken, ProjectNotFound, SpeciesNotFound
from service.forest import store
from service.forest.tables import Project, Species, StockCell

_SOLD = text("""
    SELECT project, coalesce(sum(sold), 0)::int8 AS sold
    FROM stock_cell WHERE CAST(:project AS text) IS NULL OR project = :project GROUP BY project
""")
_GROWN = text("""
    SELECT project, coalesce(sum(planted), 0)::int8 AS planted,
           coalesce(sum(surviving), 0)::int8 AS surviving
    FROM lot WHERE CAST(:project AS text) IS NULL OR project = :project GROUP BY project
""")


async def list_species(session: AsyncSession) -> list[Species]:
    """Return every species, by id."""
    rows = await session.execute(select(Species).order_by(col(Species.species)))
    return list(rows.scalars())


async def add_species(session: AsyncSession, species: Species, *, now: datetime) -> Species:
    """Add a species. Raises NameTaken."""
    statement = insert(Species).values(species.model_dump()).on_conflict_do_nothing()
    if not (await session.execute(statement.returning(col(Species.species)))).scalar():
        raise NameTaken(f"There is a species {species.species!r} already; PATCH changes it.")
    target = f"species:{species.species}"
    await audit(session, "species.added", target, after=species.model_dump(), now=now)
    return species


async def change_species(
    session: AsyncSession, species: str, changes: Mapping[str, Any], *, now: datetime
) -> Species:
    """Change some columns of a species. Raises SpeciesNotFound."""
    before = await session.get(Species, species, with_for_update=True)
    if before is None:
        raise SpeciesNotFound(f"There is no species {species!r}.")
    was = before.model_dump()
    statement = update(Species).where(col(Species.species) == species).values(**changes)
    if changes:
        await session.execute(statement)
    found = await session.get(Species, species, populate_existing=True)
    assert found is not None, "its row is locked"
    target, after = f"species:{species}", found.model_dump()
    await audit(session, "species.changed", target, before=was, after=after, now=now)
    return found


async def add_project(session: AsyncSession, project: Project, *, now: datetime) -> bool:
    """Add a project with its stock and its first lot; whether it is new."""
    values = project.model_dump()
    statement = insert(Project).values(values).on_conflict_do_nothing()
    if not (await session.execute(statement.returning(col(Project.project)))).scalar():
        return False
    lot = await store.add_lot(session, project.project, 1, now)
    await store.add_cells(session, project.project, project.stock, lot)
    target = f"project:{project.project}"
    await audit(session, "project.added", target, after=project.model_dump(), now=now)
    return True


async def copy_catalogue(session: AsyncSession, live_schema: str, *, now: datetime) -> None:
    """Bring the species and projects of another schema here, with stock that nobody has bought.

    What is here already stays as it is. `live_schema` is a name of ours, never a caller's.
    """
    for table in ("species", "project"):
        await session.execute(
            text(f"""
                INSERT INTO {table}
                SELECT (jsonb_populate_record(NULL::{table}, to_jsonb(live))).*
                FROM "{live_schema}".{table} AS live ON CONFLICT DO NOTHING
            """)  # noqa: S608  # names of our own, not of a caller
        )
    await _stock_projects(session, now=now)


async def _stock_projects(session: AsyncSession, *, now: datetime) -> None:
    """Give every project that has none its stock and its first lot."""
    stocked = select(StockCell.project)
    query = select(Project).where(col(Project.project).not_in(stocked))
    for project in (await session.execute(query.order_by(col(Project.project)))).scalars():
        lot = await store.add_lot(session, project.project, 1, now)
        await store.add_cells(session, project.project, project.stock, lot)


async def change_project(
    session: AsyncSession, project: str, changes: Mapping[str, Any], *, now: datetime
) -> None:
    """Change some columns of a project; a new stock is spread over its cells.

    Raises ProjectNotFound, and FieldsInvalid for a stock below what is sold or a season or budget
    that the change would break.
    """
    before = await session.get(Project, project, with_for_update=True, populate_existing=True)
    if before is None:
        raise ProjectNotFound(f"There is no project {project!r}. GET /v1/projects lists them.")
    was = before.model_dump()
    if "stock" in changes:
        await _restock(session, project, changes["stock"])
    if changes:
        await session.execute(
            update(Project).where(col(Project.project) == project).values(**changes)
        )
    target, after = f"project:{project}", {**was, **changes}
    await audit(session, "project.changed", target, before=was, after=after, now=now)


async def _restock(session: AsyncSession, project: str, stock: int) -> None:
    cells = await store.lock_cells(session, project)
    left = stock - sum(sold for _, _, sold in cells)
    if left < 0:
        sold = stock - left
        raise FieldsInvalid(
            f"{sold} trees are sold: the stock cannot be {stock}.",
            (("/stock", f"must be {sold} or more"),),
        )
    for number, (bucket, _, sold) in enumerate(cells):
        capacity = sold + left // len(cells) + (number < left % len(cells))
        await store.set_capacity(session, project, bucket, capacity)


async def find_projects(
    session: AsyncSession, project: str | None
) -> list[tuple[Project, Species, dict[str, int]]]:
    """Projects by name, or one, each with its species and figures.

    Figures: `contracted`, `planted` and `surviving`.
    """
    query = select(Project, Species).where(col(Project.species) == col(Species.species))
    if project is not None:
        query = query.where(col(Project.project) == project)
    rows = (await session.execute(query.order_by(col(Project.name)))).all()
    named = {"project": project}
    sold = {row.project: row.sold for row in await session.execute(_SOLD, named)}
    grown = {row.project: row for row in await session.execute(_GROWN, named)}
    found = []
    for one, species in rows:
        lots = grown.get(one.project)
        figures = {
            "contracted": sold.get(one.project, 0),
            "planted": 0 if lots is None else lots.planted,
            "surviving": 0 if lots is None else lots.surviving,
        }
        found.append((one, species, figures))
    return found


async def find_project(
    session: AsyncSession, project: str
) -> tuple[Project, Species, dict[str, int]]:
    """Return one project with its species and figures. Raises ProjectNotFound."""
    found = await find_projects(session, project)
    if not found:
        raise ProjectNotFound(f"There is no project {project!r}. GET /v1/projects lists them.")
    return found[0]

"""The changes of the catalogue that need two persons: what trees cost, and how many there are."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from service.errors import FieldsInvalid, NameTaken, SpeciesNotFound
from service.forest.catalogue import (
    add_project,
    add_species,
    change_project,
    change_species,
    find_project,
)
from service.forest.schemas import (
    NewProject,
    NewSpecies,
    ProjectChanges,
    SpeciesChanges,
    SpeciesView,
)
from service.forest.tables import Project, Species
from service.partners.two_persons import Change

PRICES = frozenset(("price_points", "price_source", "stock"))


class ProjectSaved(BaseModel):
    """A project was written; GET /v1/projects/{project_id} shows it."""

    project_id: str


class SpeciesBody(BaseModel):
    """What to change of which species."""

    species: str
    changes: SpeciesChanges


class ProjectBody(BaseModel):
    """What to change of which project."""

    project_id: str
    changes: ProjectChanges


def needs_two(changes: BaseModel) -> bool:
    """Return whether what was sent changes a price or a stock."""
    return not PRICES.isdisjoint(_sent_fields(changes))


async def _add_species(
    session: AsyncSession, body: NewSpecies, _: str, now: datetime
) -> SpeciesView:
    await add_species(session, Species(**body.model_dump()), now=now)
    return SpeciesView(**body.model_dump())


async def _change_species(
    session: AsyncSession, body: SpeciesBody, _: str, now: datetime
) -> SpeciesView:
    changed = await change_species(session, body.species, _sent_fields(body.changes), now=now)
    return SpeciesView(**changed.model_dump())


async def _add_project(
    session: AsyncSession, body: NewProject, _: str, now: datetime
) -> ProjectSaved:
    species = await session.get(Species, body.species)
    if species is None:
        raise SpeciesNotFound(f"There is no species {body.species!r}; add it first.")
    values = _columns(body)
    values["price_points"] = body.price_points or species.price_points
    values["project"] = values.pop("project_id")
    if not await add_project(session, Project(**values), now=now):
        raise NameTaken(f"There is a project {body.project_id!r} already.")
    return ProjectSaved(project_id=body.project_id)


async def _change_project(
    session: AsyncSession, body: ProjectBody, _: str, now: datetime
) -> ProjectSaved:
    project, _species, _figures = await find_project(session, body.project_id)
    changes = _columns(body.changes)
    opens = changes.get("opens_on", project.opens_on)
    closes = changes.get("closes_on", project.closes_on)
    if closes < opens:
        raise FieldsInvalid(
            f"closes_on {closes} is before opens_on {opens}.",
            (("/closes_on", "must not be before opens_on"),),
        )
    await change_project(session, body.project_id, changes, now=now)
    return ProjectSaved(project_id=body.project_id)


def _sent_fields(body: BaseModel) -> dict[str, Any]:
    """Return the fields that were sent with a value."""
    values = body.model_dump(exclude_unset=True, by_alias=True)
    return {name: value for name, value in values.items() if value is not None}


def _columns(body: NewProject | ProjectChanges) -> dict[str, Any]:
    """Return a project's columns; a budget becomes three of them, and null takes it away."""
    whole = isinstance(body, NewProject)
    values = body.model_dump(by_alias=True) if whole else _sent_fields(body)
    values.pop("budget", None)
    if whole or "budget" in body.model_fields_set:
        empty = dict.fromkeys(("currency", "budget_cents", "cost_cents"))
        values |= empty if body.budget is None else body.budget.model_dump()
    return values


ADD_SPECIES = Change("species.added", "operator", NewSpecies, _add_species)
CHANGE_SPECIES = Change("species.changed", "operator", SpeciesBody, _change_species)
ADD_PROJECT = Change("project.added", "operator", NewProject, _add_project)
CHANGE_PROJECT = Change("project.changed", "operator", ProjectBody, _change_project)

"""HTTP for projects: what trees are on offer."""

from collections.abc import Sequence
from datetime import date, datetime

from fastapi import APIRouter
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from service.errors import ProjectNotFound
from service.forest.tables import Project, Species
from service.http.given import Now, Transaction
from service.http.problems import documented

router = APIRouter(prefix="/v1/projects", tags=["Trees"], responses=documented(404, 422, 503))


class SpeciesView(BaseModel):
    """A kind of tree; its price in points and where that price was published."""

    species: str
    scientific_name: str
    local_name: str
    english_name: str
    price_points: int
    price_source: str


class ProjectView(BaseModel):
    """Trees on offer at one place. Days are local to the place."""

    project_id: str
    name: str
    species: SpeciesView
    place: str
    region: str
    planting_partner: str
    opens_on: date
    closes_on: date
    in_season: bool
    stock: int
    stock_left: int


class Projects(BaseModel):
    """All projects; there are few, so the list has one page."""

    data: list[ProjectView]
    next_cursor: str | None


@router.get("")
async def projects(session: Transaction, now: Now) -> Projects:
    """Every project, by name."""
    rows = await _find(session, None)
    return Projects(data=[_view(*row, now) for row in rows], next_cursor=None)


@router.get("/{project_id}")
async def project(project_id: str, session: Transaction, now: Now) -> ProjectView:
    """One project."""
    rows = await _find(session, project_id)
    if not rows:
        raise ProjectNotFound(f"There is no project {project_id!r}. GET /v1/projects lists them.")
    return _view(*rows[0], now)


async def _find(session: AsyncSession, project_id: str | None) -> Sequence[tuple[Project, Species]]:
    query = select(Project, Species).where(col(Project.species) == col(Species.species))
    if project_id is not None:
        query = query.where(col(Project.project) == project_id)
    rows = await session.execute(query.order_by(col(Project.name)))
    return [(project, species) for project, species in rows]


def _view(project: Project, species: Species, now: datetime) -> ProjectView:
    return ProjectView(
        project_id=project.project,
        name=project.name,
        species=SpeciesView(**species.model_dump()),
        place=project.place,
        region=project.region,
        planting_partner=project.planting_partner,
        opens_on=project.opens_on,
        closes_on=project.closes_on,
        in_season=project.opens_on <= now.date() <= project.closes_on,
        stock=project.stock,
        stock_left=project.stock - project.contracted,
    )

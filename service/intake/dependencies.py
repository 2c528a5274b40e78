"""What routes depend on that is about the intake: the intake itself, the methodologies."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from methodologies.catalogue import Catalogue
from service.http.runtime import runtime_of
from service.intake.report import Intake


@dataclass(frozen=True, kw_only=True)
class IntakeRuntime:
    """The lanes of this process and what prepares events for them."""

    intake: Intake


async def intake_of(request: Request) -> Intake:
    """Return this process's intake."""
    return runtime_of(request.app, IntakeRuntime).intake


async def catalogue_of(request: Request) -> Catalogue:
    """Return the methodologies that this process assesses with."""
    return runtime_of(request.app, IntakeRuntime).intake.assessor.catalogue


ThisIntake = Annotated[Intake, Depends(intake_of)]
ThisCatalogue = Annotated[Catalogue, Depends(catalogue_of)]

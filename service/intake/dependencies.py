"""What FastAPI gives to routes about the intake."""

from typing import Annotated, cast

from fastapi import Depends, Request

from service.intake.report import Intake


async def intake_of(request: Request) -> Intake:
    """The intake of this process."""
    return cast("Intake", request.app.state.intake)


ThisIntake = Annotated[Intake, Depends(intake_of)]

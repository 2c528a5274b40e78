"""The public page and the API's own documentation, both without anything from elsewhere."""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

router = APIRouter(include_in_schema=False)


@router.get("/", response_class=HTMLResponse)
async def home() -> str:
    """The public page."""
    return "<!doctype html><title>Saxaul</title>"

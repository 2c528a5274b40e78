"""The framework's limit: a route that does nothing."""

from fastapi import FastAPI

from loadtest.bench.serve import serve

app = FastAPI()


@app.post("/empty")
async def take() -> dict[str, str]:
    """Answer a POST without reading it."""
    return {"outcome": "nothing"}


@app.get("/empty")
async def show() -> dict[str, str]:
    """Answer a GET."""
    return {"outcome": "nothing"}


if __name__ == "__main__":
    serve(app)

"""What the OpenAPI document says beside what the framework reads from the routes."""

from fastapi import FastAPI

from service.http.problems import add_common_problems
from service.intake import routes as intake_routes
from service.points.schemas import WhichEarning
from service.webhooks.outbound import routes as webhook_routes

PUBLIC_PATHS = (
    "/v1/totals",
    "/v1/projects",
    "/v1/certificates",
    "/v1/methodologies",
    "/v1/policies",
    "/v1/leaderboards",
    "/v1/factors",
    "/v1/hooks",
    "/v1/connector-templates",
    "/v1/webhook-types",
    "/healthz",
    "/readyz",
    "/metrics",
    "/problems",
)
SECURITY = {
    "ApiKey": {"type": "http", "scheme": "bearer", "description": "A partner's key: sx_..."},
    "PersonToken": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
}
TAGS = [
    {"name": "Events", "description": "What people did, reported as CloudEvents."},
    {"name": "Actions", "description": "What was recorded, and the sum behind it."},
    {"name": "People and points", "description": "What a person earned and collected."},
    {"name": "Links", "description": "Which person a partner's customer is, by consent."},
    {"name": "Friends", "description": "Gifts, care and leaderboards. Points pass, never carbon."},
    {"name": "Totals", "description": "Estimated avoided emissions, added up. Public."},
    {"name": "Trees", "description": "Projects that plant them, orders, pools, certificates."},
    {"name": "Forest administration", "description": "Catalogue, lots, reports, liability."},
    {"name": "Methodologies", "description": "The published sheets and factors. Public."},
    {"name": "Partners", "description": "A partner's own keys and sources; test data."},
    {"name": "Connectors", "description": "Merchants' own payloads, read by a configuration."},
    {"name": "Webhooks", "description": "What we tell your own systems, signed."},
    {"name": "Operations", "description": "Health, metrics and explanations."},
]


def add_to_document(app: FastAPI) -> None:
    """Put what routes read from bytes themselves into the OpenAPI document."""
    generate = app.openapi

    def openapi() -> dict[str, object]:
        if app.openapi_schema is None:
            document = generate()
            document["components"]["securitySchemes"] = SECURITY
            for path, operations in document["paths"].items():
                for operation in operations.values():
                    if not path.startswith(PUBLIC_PATHS):
                        operation["security"] = [{name: []} for name in SECURITY]
                    add_common_problems(operation)
            schemas = document["components"]["schemas"]
            schemas["CloudEvent"] = intake_routes.event_schema()
            schemas["WhichEarning"] = WhichEarning.model_json_schema()
            webhook_routes.add_webhooks(document)
            for unused in ("HTTPValidationError", "ValidationError"):
                schemas.pop(unused, None)
        return app.openapi_schema or {}

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend it

"""The application: its routes, and the runtime in which they find what they need."""

from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from fastapi import FastAPI

from methodologies import VERSION
from methodologies.catalogue import Catalogue
from methodologies.plugins import load_all
from service.actions import routes as actions_routes
from service.catalogue import routes as catalogue_routes
from service.clock import Clock, system_clock
from service.forest import routes as forest_routes
from service.forest.catalogue import copy_catalogue
from service.friends import routes as friends_routes
from service.guards import routes as guards_routes
from service.http import routes as http_routes
from service.http.fast_path import FastPath
from service.http.problems import add_problem_handlers
from service.http.runtime import runtime_of
from service.intake import routes as intake_routes
from service.openapi import TAGS, add_to_document
from service.partners import audit_routes, proposal_routes
from service.partners import routes as partner_routes
from service.partners.test_mode import is_for_sandbox
from service.people import link_routes
from service.people import routes as people_routes
from service.points import policy_routes
from service.points import routes as points_routes
from service.restate import routes as restate_routes
from service.rights import routes as rights_routes
from service.runtime import Runtime, open_programme, open_sandbox
from service.sandbox import routes as sandbox_routes
from service.sandbox.opening import Sandbox
from service.settings import Settings
from service.totals import routes as totals_routes
from service.web import certificate_routes
from service.web import routes as web_routes
from service.webhooks.inbound import connector_routes, hook_routes
from service.webhooks.outbound import routes as webhook_routes


def create_app(
    settings: Settings,
    clock: Clock = system_clock,
    catalogue: Catalogue | None = None,
    live: FastAPI | None = None,
) -> FastAPI:
    """Return the application; it opens its resources when it starts and drains its lanes at the
    end.

    Without a catalogue it loads one when it starts. With `live` it is the sandbox beside that
    application: for test keys, over another schema.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        loaded = catalogue or load_all(settings.methodology_path, clock().date())
        if live is None:
            make = partial(create_app, sandbox_settings(settings), clock, loaded, app)
            sandbox = Sandbox(app, make, partial(copy_catalogue, now=clock()))
            opening = open_programme(settings, clock, loaded, sandbox)
        else:
            opening = open_sandbox(settings, clock, loaded, runtime_of(live, Runtime))
        async with opening as app.state.runtime:
            yield

    app = FastAPI(
        title="Saxaul",
        version=VERSION,
        summary="Green actions in, estimated avoided emissions and points out.",
        lifespan=lifespan,
        openapi_tags=TAGS,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # a redirect would name the host that the request named
    )
    app.state.runtime = None  # until the resources are open
    add_problem_handlers(app)
    for module in (
        intake_routes,
        actions_routes,
        people_routes,
        link_routes,
        points_routes,
        policy_routes,
        friends_routes,
        totals_routes,
        forest_routes,
        certificate_routes,
        catalogue_routes,
        guards_routes,
        restate_routes,
        http_routes,
        web_routes,
        partner_routes,
        audit_routes,
        proposal_routes,
        rights_routes,
        sandbox_routes,
        connector_routes,
        hook_routes,
    ):
        app.include_router(module.router)
    app.include_router(catalogue_routes.pages)
    app.include_router(webhook_routes.router)
    app.include_router(webhook_routes.types_router)
    add_to_document(app)
    return app


def sandbox_settings(settings: Settings) -> Settings:
    """Return the settings of the sandbox: the same rules with fewer connections."""
    return settings.model_copy(update={"lanes": 1})


def fast_path_of(app: FastAPI, *, slow_seconds: float | None) -> FastPath:
    """Return the application behind its fast path: what phones and the public page ask for most."""
    return FastPath(
        app,
        {
            ("POST", "/v1/events"): intake_routes.report_events,
            ("GET", "/v1/totals"): totals_routes.totals_now,
            ("POST", "/v1/hooks/*"): hook_routes.receive,
            ("POST", "/v1/people/*/collect"): points_routes.collect,
        },
        partial(environment_of, app),
        prove=partial(is_proven, app),
        endless=frozenset((f"{totals_routes.router.prefix}/stream",)),
        slow_seconds=slow_seconds,
    )


async def is_proven(app: FastAPI, scope: MutableMapping[str, Any]) -> bool:
    """Return whether the sender of a body is known already; a message to a connector is signed, so
    that only the whole of it says who sent it. Raises a kind of Unauthenticated."""
    if scope["path"].startswith(hook_routes.HOOKS):
        return False
    authorization = next(
        (value for name, value in scope["headers"] if name == b"authorization"), b""
    )
    await runtime_of(app, Runtime).authenticator(authorization.decode("latin-1"))
    return True


async def environment_of(app: FastAPI, scope: MutableMapping[str, Any]) -> FastAPI:
    """Return the application that a request is for: the programme's own, or its sandbox."""
    if is_for_sandbox(scope):
        sandbox = runtime_of(app, Runtime).sandbox
        assert sandbox is not None, "a sandbox has no fast path of its own"
        return await sandbox.app()
    return app

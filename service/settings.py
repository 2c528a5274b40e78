"""Every setting of every program, read once from `SAXAUL_...` variables.

`DATABASE_URL` and `REDIS_URL` keep their customary names. Nothing here opens anything.
"""

from datetime import date
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

PROGRAMME_FROM = date(2021, 1, 1)
PROGRAMME_TO = date(2035, 12, 31)
GOAL_MG = 1_500_000_000 * 10**9  # 1.5 Gt in milligrams: 1.5e18 fits a signed 64-bit integer


class Settings(BaseSettings):
    """What can be set, with its unit, default and meaning (`saxaul settings` prints this)."""

    model_config = SettingsConfigDict(env_prefix="SAXAUL_", populate_by_name=True)

    home: Path = Field(Path(".saxaul"), description="Data folder of the embedded default.")
    host: str = Field("127.0.0.1", description="Address that the API listens on.")
    port: int = Field(8000, ge=0, le=65535, description="Port of the API; 0 picks a free one.")
    postgres_port: int = Field(
        0, ge=0, le=65535, description="Port of the embedded PostgreSQL; 0 picks a free one."
    )
    valkey_port: int = Field(
        0, ge=0, le=65535, description="Port of the embedded Valkey; 0 picks a free one."
    )
    workers: int = Field(1, ge=1, le=64, description="API processes on one socket.")

    database_url: str | None = Field(
        None,
        validation_alias=AliasChoices("DATABASE_URL", "SAXAUL_DATABASE_URL", "database_url"),
        description="PostgreSQL 15 or later, postgresql://user:password@host:port/name. "
        "Unset: the embedded server.",
    )
    redis_url: str | None = Field(
        None,
        validation_alias=AliasChoices("REDIS_URL", "SAXAUL_REDIS_URL", "redis_url"),
        description="Valkey or Redis 7 or later, redis://host:port/0. Unset: the embedded server.",
    )

    methodology_path: str = Field(
        "",
        validation_alias=AliasChoices(
            "SAXAUL_METHODOLOGY_PATH", "METHODOLOGY_PATH", "methodology_path"
        ),
        description="Folders with methodologies of others, separated as in PATH. METHODOLOGY_PATH "
        "does, too.",
    )
    owner_database_url: str | None = Field(
        None,
        description="As DATABASE_URL, for a role that owns the tables: `saxaul migrate` uses it, "
        "and gives the role of DATABASE_URL what the application needs and no more.",
    )
    superuser_database_url: str | None = Field(
        None,
        description="As DATABASE_URL, for a role that may make roles: only `saxaul setup` uses it.",
    )
    policy: Path | None = Field(
        None, description="File of dated points policies; unset: the one that ships."
    )
    leaderboard_min_people: int = Field(
        10, ge=2, description="A public leaderboard of fewer people is withheld."
    )

    person_key: SecretStr | None = Field(
        None,
        description="Key (32 bytes or more, hex) of the hashes that stand for people and claims. "
        "It cannot be changed later: the same person would become another.",
    )
    secret_key: SecretStr | None = Field(
        None,
        description="Key (32 bytes, hex) under which the secrets of webhooks are encrypted; to "
        "change it, put the old one behind the new one with a comma.",
    )
    oidc_issuer: str | None = Field(None, description="`iss` that a person's token must carry.")
    oidc_audience: str = Field("saxaul", description="`aud` that a person's token must carry.")
    oidc_jwks_url: str | None = Field(
        None, description="Keys of the issuer: an https URL, or file:///... for the embedded one."
    )
    app_source: str = Field("app", description="Source under which people report themselves.")

    lanes: int = Field(
        2,
        ge=1,
        le=64,
        description="Group-commit queues of one API process; one makes the largest "
        "commits, several keep many cores of a database busy.",
    )
    lane_queue_events: int = Field(
        5_000, ge=1, description="Events that may ever wait in one lane: what bounds the memory."
    )
    lane_queue_seconds: Annotated[float, Field(gt=0, le=60)] = Field(
        0.5,
        description="How long events should wait in a lane at most, by its pace of late: what "
        "would wait longer gets 503.",
    )
    lane_batch_events: int = Field(
        1_000, ge=1, description="Most events in one commit; larger ones keep readers waiting."
    )
    waiting_days: int = Field(
        30,
        ge=0,
        le=3650,
        description="Days after a customer's first points before which none of them lapse: so "
        "long there is to link the customer to a person.",
    )
    late_days: int = Field(30, ge=0, description="Oldest event, in days, without events:backfill.")
    ahead_seconds: int = Field(300, ge=0, description="How far ahead an event's clock may be.")
    body_bytes: int = Field(
        4 * 1024 * 1024, ge=1024, le=1024**3, description="Largest request body."
    )
    address_connections: int = Field(
        256, ge=1, description="Most connections of one address (IPv6: of one /64) to a process."
    )
    address_streams: int = Field(
        20, ge=1, description="Most streams of one address, listening to one process."
    )
    trusted_proxies: str = Field(
        "",
        description="Addresses or networks of your own proxies, separated by commas: they say in "
        "X-Forwarded-For and X-Forwarded-Proto for whom they speak; nobody else is believed.",
    )

    projection_poll_seconds: Annotated[float, Field(gt=0, le=60)] = Field(
        0.25, description="Longest sleep of a projector that no notification woke."
    )
    guard_seconds: Annotated[float, Field(ge=0, le=3600)] = Field(
        30.0, description="How often the worker looks for implausible means; 0 is never."
    )
    totals_cache_seconds: Annotated[float, Field(ge=0, le=10)] = Field(
        0.25, description="How long an API process may answer totals from its own memory."
    )
    partner_quota_per_minute: int = Field(
        1_200_000,
        ge=0,
        description="What a partner may ask for in a minute: each request costs 1, each event of "
        "a batch 1. 0 is no quota. `saxaul partner quota` sets another for one partner.",
    )
    person_quota_per_minute: int = Field(
        600, ge=0, description="What a person's token may ask for in a minute; 0 is no quota."
    )
    key_cache_seconds: Annotated[float, Field(ge=0, le=300)] = Field(
        5.0, description="How long a revoked or changed API key may still be accepted."
    )
    two_persons: bool = Field(
        True,
        description="Grants, stock, prices, people mode and administrators' keys are proposed by "
        "one key and confirmed by another. `saxaul up` with its own database sets it to false.",
    )
    virtual_clock: bool = Field(
        False,
        description="Set by `saxaul up --clock` for its programs: time that can be moved. "
        "Refused with a database that is not the embedded one.",
    )
    liability_alarm_pct: int = Field(
        80,
        ge=1,
        le=1000,
        description="Outstanding points, as a share in percent of those that "
        "trees on offer can take in, above which the liability's alarm is on.",
    )
    public_url: str | None = Field(
        None,
        pattern=r"^[Hh][Tt][Tt][Pp][Ss]?://[^/?#\s@]+(/[^?#\s]*)?$",
        description="Where the public reaches the API, for addresses in answers and on "
        "certificates; with https browsers are told to stay with it. Unset: where it listens.",
    )
    hosts: str = Field(
        "",
        description="Names that requests may be addressed to, separated by commas, beside the "
        "public URL's and this machine's own. Unset: any.",
    )
    metrics_token: SecretStr | None = Field(
        None,
        description="Bearer token for GET /metrics. Unset: this machine alone may read them.",
    )
    webhook_loopback: bool = Field(
        False,
        description="Let webhooks go to this machine itself, without TLS too: for development.",
    )
    webhook_timeout_seconds: Annotated[float, Field(gt=0, le=60)] = Field(
        15.0, description="How long an endpoint may take for its whole answer."
    )
    webhook_retention_days: int = Field(
        30, ge=5, description="How long deliveries and their attempts are kept."
    )
    answer_retention_days: int = Field(
        7,
        ge=1,
        description="How long the answer to a write with an `Idempotency-Key` is kept; a repeat "
        "after that is a new write.",
    )
    log_level: str = Field("info", description="debug, info, warning or error.")
    log_format: Literal["text", "json"] = Field(
        "text", description="Lines for people, or one JSON object a line."
    )
    slow_seconds: Annotated[float, Field(gt=0, le=600)] = Field(
        2.0, description="A request that takes longer is in the log."
    )
    observe: bool = Field(
        True,
        description="Name, time and count requests. False is for `make bench`, which measures "
        "what that costs: the API's metrics of events and requests then stay at zero.",
    )
    worker_metrics_port: int = Field(
        0, ge=0, le=65535, description="Port of the worker's metrics; 0 serves none."
    )
    otlp_traces_url: str | None = Field(
        None,
        description="Where traces go (OTLP over HTTP), e.g. http://collector:4318/v1/traces. "
        "Unset: none are made.",
    )
    trace_ratio: Annotated[float, Field(ge=0, le=1)] = Field(
        0.01, description="Share of requests that are traced."
    )

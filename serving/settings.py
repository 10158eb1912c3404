"""The predictor's settings: those of pipeline/settings with the whole section `predictor`.

Stages read only the address and the key from that section, so their images do not contain this
file and are not rebuilt when it changes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, ClassVar, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from pipeline import renamed_settings
from pipeline import settings as pipeline_settings
from pipeline.environment import Section, split_at_commas
from pipeline.errors import describe_first
from pipeline.settings.connections import PredictorClientSettings
from serving.permissions import Role

RENAMED = {
    "MLOPS_PREDICTOR__POLL_SECONDS": "MLOPS_PREDICTOR__POLL_INTERVAL_SECONDS",
    "MLOPS_PREDICTOR__REGISTRY_SECONDS": "MLOPS_PREDICTOR__REGISTRY_TIMEOUT_SECONDS",
    "MLOPS_PREDICTOR__READY_BEFORE_FIRST": "MLOPS_PREDICTOR__READY_WITHOUT_MODEL",
    "MLOPS_PREDICTOR__HEAD_SECONDS": "MLOPS_PREDICTOR__HEADER_TIMEOUT_SECONDS",
    "MLOPS_PREDICTOR__BODY_SECONDS": "MLOPS_PREDICTOR__BODY_TIMEOUT_SECONDS",
    "MLOPS_PREDICTOR__CACHED_ROWS": "MLOPS_PREDICTOR__CACHE_SIZE",
    "MLOPS_PREDICTOR__LOGGED_SHARE": "MLOPS_PREDICTOR__LOG_SAMPLE_RATE",
    "MLOPS_PREDICTOR__LOG_SECONDS": "MLOPS_PREDICTOR__LOG_FLUSH_INTERVAL_SECONDS",
    "MLOPS_PREDICTOR__LOG_ROWS": "MLOPS_PREDICTOR__MAX_BUFFERED_LOG_ROWS",
    "MLOPS_PREDICTOR__CONNECTION_SECONDS": "MLOPS_PREDICTOR__MAX_CONNECTION_AGE_SECONDS",
    "MLOPS_PREDICTOR__DRAIN_SECONDS": "MLOPS_PREDICTOR__DRAIN_PERIOD_SECONDS",
    "MLOPS_PREDICTOR__STOP_SECONDS": "MLOPS_PREDICTOR__SHUTDOWN_TIMEOUT_SECONDS",
}
"""The predictor's part of pipeline.renamed_settings: old names, each with its new name."""


MIN_SECRET_LENGTH = 32


def _check_secret(secret: SecretStr) -> SecretStr:
    length = len(secret.get_secret_value())
    if 0 < length < MIN_SECRET_LENGTH:
        raise ValueError(
            f"it has {length} characters, and could be guessed; it needs {MIN_SECRET_LENGTH}"
        )
    return secret


OWN_NAMES = json.dumps({role: [role] for role in Role})
"""The value of the claim for each role is its name."""
ROLES = TypeAdapter(dict[Role, frozenset[str]])


def _check_roles(text: str) -> str:
    try:
        ROLES.validate_json(text)
    except ValidationError as error:
        roles = ", ".join(Role)
        raise ValueError(
            f"{describe_first(error, 'the text')}. It must be a JSON object with a list for each "
            f"of these roles that somebody has: {roles}"
        ) from None
    return text


def _check_issuer(url: str) -> str:
    parts = urlsplit(url)
    if url and (parts.scheme not in ("https", "http") or not parts.hostname):
        raise ValueError("it must be a URL, such as https://login.school.org/realms/school")
    return url


class OidcSettings(Section):
    issuer: Annotated[str, AfterValidator(_check_issuer)] = ""
    """URL of the OpenID Connect issuer whose tokens are accepted (`Authorization: Bearer TOKEN`),
    as in its ID tokens; empty for none. All routes except the page's files and the health routes
    then need a login: a token, a session or an API key."""
    client_id: str = "student-mlops"
    """Client that the tokens must be issued for (their claim `aud`)."""
    roles_claim: str = "roles"
    """Claim of the token with the person's roles: a list of strings at the top level."""
    roles: Annotated[str, AfterValidator(_check_roles)] = json.dumps(
        {name: [name] for name in Role}
    )
    """Values of that claim that give each role, as a JSON object of lists. A role that is missing
    there is given to nobody."""

    @property
    def values_by_role(self) -> dict[Role, frozenset[str]]:
        """`roles` as a table."""
        return ROLES.validate_json(self.roles)

    @model_validator(mode="after")
    def _check_client(self) -> Self:
        if self.issuer and not self.client_id:
            raise ValueError(
                "MLOPS_PREDICTOR__OIDC__CLIENT_ID is empty; set it to the client's id at the issuer"
            )
        return self


class PredictorSettings(PredictorClientSettings):
    model_config = ConfigDict(extra="forbid")

    host: str = "127.0.0.1"
    """Address that the predictor listens on."""
    port: int = Field(default=8000, ge=0, le=65535)
    """Port that the predictor listens on; 0 picks a free one."""
    tls_certificate_file: str = ""
    """File with the certificate, in PEM format, for HTTPS; empty for HTTP. The predictor reads it
    when it starts."""
    tls_key_file: str = ""
    """File with the private key of tls_certificate_file, in PEM format."""
    alias: str = "production"
    """Alias of the served version in the registry."""
    shadow_alias: str = "staging"
    """Alias of the version that scores the same traffic in the shadow: its predictions
    are counted, never returned. Empty for none."""
    poll_interval_seconds: float = Field(default=5, gt=0)
    """Pause between two polls of the registry, plus or minus 20 %."""
    stop_poll_interval_seconds: float = Field(default=2, gt=0, le=5)
    """Pause between two looks at the lake for the marker of `python -m pipeline stop`."""
    registry_timeout_seconds: float = Field(default=5, gt=0)
    """Timeout of one registry request."""
    max_rows: int = Field(default=1_000, gt=0)
    """Largest number of rows in a JSON request; /predict/csv has no such limit."""
    max_body_bytes: int = Field(default=1_000_000, gt=0)
    """Largest body of a JSON request, in bytes."""
    max_csv_bytes: int = Field(default=500_000_000, gt=0)
    """Largest body of a CSV request, in bytes."""
    max_requests: int = Field(default=512, gt=0)
    """Largest number of concurrent requests; further ones get 503."""
    max_csv_requests: int = Field(default=2, gt=0)
    """Largest number of concurrent CSV requests; further ones wait."""
    csv_queue_timeout_seconds: float = Field(default=1, ge=0)
    """How long a CSV request waits until another one ends; it then gets 503."""
    min_csv_bytes_per_second: int = Field(default=1_000, gt=0)
    """Slowest rate of a CSV body; a client that is slower, after pauses of up to
    body_timeout_seconds, gets 408."""
    max_csv_spool_bytes: int = Field(default=500_000_000, gt=0)
    """Size of the temporary file for predictions that the client of a CSV request has not read
    yet. When it is full, the predictor stops reading the list until the client has read them."""
    max_explanations: int = Field(default=8, gt=0)
    """Largest number of explanation requests running or queued (one runs at a time); further
    ones get 503."""
    max_explained_rows: int = Field(default=20, gt=0)
    """Largest number of rows explained in one request."""
    min_stability: float = Field(default=0.8, ge=0, le=1)
    """A label is unsure if a smaller fraction of the refits gives it: by default, if more than one
    in five models that were trained on random halves of the rows contradicts. Of models that
    learned from other rows, 61 % give an unsure label, and 82 % another one, in the simulation
    of docs/reference/model-quality.md. 0 for never."""
    ready_without_model: bool = False
    """Report ready without a model while the registry has no promoted version, so that the
    installation of a new platform can finish."""
    header_timeout_seconds: float = Field(default=10, gt=0)
    """Timeout for receiving a request's line and headers; the connection is then closed."""
    body_timeout_seconds: float = Field(default=30, gt=0)
    """Timeout for receiving a JSON body, or the next piece of a CSV body; the client gets 408."""
    cache_size: int = Field(default=50_000, ge=0)
    """Number of rows whose predictions each loaded model caches; 0 disables the cache."""
    log_sample_rate: float = Field(default=1, ge=0, le=1)
    """Fraction of requests whose rows are logged to the lake as live traffic; 0 disables
    the log."""
    log_flush_interval_seconds: float = Field(default=5, gt=0)
    """Pause between two writes of the live traffic."""
    max_buffered_log_rows: int = Field(default=200_000, gt=0)
    """Largest number of rows waiting to be written; further rows are dropped and counted."""
    max_connection_age_seconds: float = Field(default=60, ge=0)
    """Age at which a keep-alive connection is closed after a response, so that new pods get
    traffic; 0 for never."""
    drain_period_seconds: float = Field(default=10, ge=0)
    """After SIGTERM, the predictor answers until no request has arrived for this long, then with
    readiness failing until none has arrived for this long again. Every response closes its
    connection."""
    drain_timeout_seconds: float = Field(default=120, gt=0)
    """After SIGTERM, how long the predictor answers at most."""
    shutdown_timeout_seconds: int = Field(default=20, gt=0)
    """After draining, how long running requests may take to finish."""
    api_keys_file: str = ""
    """File of API keys that `python -m pipeline keys` writes; empty for none. It is read again when
    it changes. Requests for predictions must then have one of its keys, or API_KEY."""
    session_secret: Annotated[SecretStr, AfterValidator(_check_secret)] = SecretStr("")
    """Secret that signs the sessions of the page, at least 32 characters, the same for all pods.
    Empty for a random one: sessions then end with the process."""
    session_hours: float = Field(default=8, gt=0, le=168)
    """How long a login on the page lasts."""
    cors_origins: Annotated[tuple[str, ...], BeforeValidator(split_at_commas)] = ()
    """Origins whose pages may call the predictor: `https://a.example,https://b.example`, or `*`.
    Requests with a token of single sign-on need the origin itself in the list."""
    oidc: OidcSettings = OidcSettings()


class Settings(pipeline_settings.Settings):
    """All settings, with the predictor's own; `Settings.load()` reads the environment."""

    renamed: ClassVar[Mapping[str, str]] = renamed_settings.RENAMED | RENAMED

    predictor: PredictorSettings = PredictorSettings()

"""Settings of the services that stages connect to: the lake, Dask, MLflow and the predictor."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import ConfigDict, Field, SecretStr, model_validator

from pipeline.environment import Section


class LakeSettings(Section):
    url: str = "file://local/lake"
    """Location of the data lake: `file://FOLDER` (one folder per layer), or `s3://` or `s3://PREFIX`
    (one bucket per layer: PREFIX-bronze and so on)."""
    endpoint: str | None = None
    """URL of the S3 service; empty for AWS. The keys come from the standard AWS variables."""

    @property
    def is_s3(self) -> bool:
        return self.url.startswith("s3://")

    @property
    def bucket_prefix(self) -> str:
        """PREFIX of the URL `s3://PREFIX`; it may be empty."""
        return self.url.removeprefix("s3://").strip("/")

    @property
    def folder(self) -> Path | None:
        """The folder of a lake on disk, which may be relative; None for another lake."""
        return Path(self.url.removeprefix("file://")) if self.url.startswith("file://") else None


class DaskSettings(Section):
    scheduler: str = ""
    """Address of a Dask scheduler, `tls://HOST:PORT`, on whose workers stages handle the parts of
    large tables; empty to handle them in the stage's own process."""
    ca: str = ""
    """File with the certificate of the authority that signed the scheduler's and the workers'
    certificates, as PEM."""
    certificate: str = ""
    """File with the certificate of this process, as PEM."""
    key: str = ""
    """File with the private key of this process, as PEM."""
    timeout_seconds: int = Field(default=60, gt=0)
    """How long a stage waits for the scheduler, and for a first worker."""

    @property
    def is_encrypted(self) -> bool:
        return self.scheduler.startswith("tls://")

    @model_validator(mode="after")
    def _check_encryption(self) -> DaskSettings:
        if not self.scheduler:
            return self
        if self.is_encrypted:
            missing = [name for name in ("ca", "certificate", "key") if not getattr(self, name)]
            if missing:
                names = " and ".join(f"MLOPS_DASK__{name.upper()}" for name in missing)
                raise ValueError(
                    f"MLOPS_DASK__SCHEDULER is {self.scheduler!r}, which needs {names}"
                )
        elif not _is_loopback(self.scheduler):
            raise ValueError(
                f"MLOPS_DASK__SCHEDULER is {self.scheduler!r}, but must be tls://HOST:PORT: a "
                "scheduler runs whatever code it receives. Only 127.0.0.1 may be tcp://"
            )
        return self


def _is_loopback(address: str) -> bool:
    """Whether an address is `tcp://` with the IP address of this machine's loopback."""
    url = urlsplit(address)
    try:
        return url.scheme == "tcp" and ip_address(url.hostname or "").is_loopback
    except ValueError:
        return False


class MlflowSettings(Section):
    tracking_uri: str = "sqlite:///local/mlflow.db"
    """URL of the tracking server, or a SQLite file on one machine."""
    artifacts: str = "local/mlartifacts"
    """Folder for artifacts if the tracking URI is a SQLite file. A server has its own location."""
    port: int = Field(default=5000, ge=1, le=65535)
    """Port of the MLflow UI that `make serve` starts."""
    name: str = ""
    """Name of the MLflow experiment and of the registered model. By default it is made from the
    title in the columns file: `student-performance` for the survey."""
    timeout_seconds: int = Field(default=20, gt=0)
    """Timeout of one request to the tracking server."""
    retries: int = Field(default=3, ge=0)
    """Number of times a failed request is repeated."""

    @property
    def model_name(self) -> str:
        """The name that is set, or the one made from the title in the columns file."""
        from pipeline import columns  # commands that need no name work without a columns file

        return self.name or columns.MODEL_NAME

    @property
    def max_request_seconds(self) -> float:
        """Longest time that a request can take: every attempt, and the pauses between them.

        Each pause is twice as long as the one before.
        """
        return self.timeout_seconds * (self.retries + 1) + 2.0**self.retries


class PredictorClientSettings(Section):
    """How stages reach the predictor; they ignore its other settings (serving/settings.py)."""

    model_config = ConfigDict(extra="ignore")

    url: str = "http://127.0.0.1:8000"
    """URL at which stages reach the predictor."""
    api_key: SecretStr = SecretStr("")
    """API key that stages send to the predictor. The predictor requires it with each prediction
    (`Authorization: Bearer KEY` or `X-API-Key: KEY`), or a key of `API_KEYS_FILE`; empty for
    none."""
    metrics_port: int | None = Field(default=None, ge=1, le=65535)
    """Port of `/metrics`, for the predictor and for the stages that read it; empty for the port of
    the other routes. With it, `/model` has its complete answer there. The port of the other routes
    leaves out `lineage` and `source` if no login is required."""
    require_record: bool = True
    """Serve a version of `production` only if a promotion record moved it there, and fail the drift
    check if one did not. Set it to false if another program moves the alias."""

"""Connect to MLflow with bounded waits and readable errors."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pipeline.errors import RegistryError
from pipeline.settings.connections import MlflowSettings
from pipeline.tracking.login import describe_refusal

if TYPE_CHECKING:
    from mlflow import MlflowClient


@contextlib.contextmanager
def connect(settings: MlflowSettings) -> Iterator[MlflowClient]:
    """Yield a client of the tracking server, or SQLite file, that the settings name.

    Raises:
        RegistryError: If a call of the client fails.
    """
    configure(settings)
    import requests
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    try:
        yield MlflowClient(settings.tracking_uri)
    except (MlflowException, requests.RequestException) as error:
        raise RegistryError(_describe(error, settings)) from error


def configure(settings: MlflowSettings) -> None:
    """Set MLflow's process-wide options: the address, bounded waits, and no output or telemetry."""
    os.environ.update(
        MLFLOW_HTTP_REQUEST_TIMEOUT=str(settings.timeout_seconds),
        MLFLOW_HTTP_REQUEST_MAX_RETRIES=str(settings.retries),
        MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR="1",
        MLFLOW_DISABLE_TELEMETRY="true",
        DO_NOT_TRACK="true",
        MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR="false",
        # Upload through the server: the object store behind it is not reachable from outside the
        # cluster.
        MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD="false",
        MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD="false",
        MLFLOW_LOGGING_LEVEL="ERROR",  # its warnings are hints for interactive use
        MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT="true",
        MLFLOW_UV_AUTO_DETECT="false",  # run_logging.py lists a model's requirements
    )
    import mlflow

    mlflow.set_tracking_uri(settings.tracking_uri)
    mlflow.set_registry_uri(settings.tracking_uri)


def _get_status(error: Exception) -> int:
    """Status of MLflow's response; 0 if there was none."""
    get_status = getattr(error, "get_http_status_code", None)
    return int(get_status()) if get_status else 0


def _describe(error: Exception, settings: MlflowSettings) -> str:
    message = str(error).splitlines()[0]
    if refusal := describe_refusal(_get_status(error), settings.tracking_uri):
        return refusal
    if "Max retries exceeded" in message:  # urllib3's message nests the messages of its causes
        return (
            f"MLflow at {settings.tracking_uri} did not respond in {settings.retries + 1} attempts "
            f"of up to {settings.timeout_seconds} s. Check that it is running, or set "
            "MLOPS_MLFLOW__TRACKING_URI."
        )
    return (
        f"MLflow at {settings.tracking_uri} failed: {message}. If that is the wrong server, set "
        "MLOPS_MLFLOW__TRACKING_URI."
    )

"""Decides which model is served: a thread polls the registry's aliases and loads new versions.

The served model is one reference, which is replaced after a new version was downloaded and
verified. No request depends on the registry or the lake: if they are down, the current model
stays in service.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from pipeline.errors import PipelineError, RegistryError
from pipeline.model.bundle import read_fallback
from pipeline.storage import layout
from pipeline.storage.lake import Lake
from pipeline.tracking.promotion_chain import check_fallback, is_recorded
from pipeline.tracking.registry import PRODUCTION, Version
from serving.model.mlflow_rest import RestRegistry
from serving.model.served_model import Model, load
from serving.model.shadow import ShadowScorer
from serving.settings import Settings
from serving.threads import lower_thread_priority

log = logging.getLogger(__name__)

MAX_RETRY_SECONDS = 300.0
"""Longest pause between two attempts to load a refused version."""


@dataclass
class Models:
    """The loaded models. Only the updater writes; a reader takes one reference."""

    served: Model | None = None
    previous: Model | None = None
    shadow: Model | None = None
    reason: str = "No model yet: the registry was not polled"
    """Why no model is served."""
    nothing_promoted_yet: bool = False
    """Whether the registry reported that no version has the served alias."""
    contact: float = 0.0
    """Time of the registry's last response, in seconds since the epoch; 0 for never."""
    refused: int = 0
    swaps: int = 0

    def loaded(self) -> list[Model]:
        return [model for model in (self.served, self.previous, self.shadow) if model is not None]


@dataclass
class Backoff:
    """When a refused version may be tried again."""

    pause: float
    due: float = field(default_factory=time.monotonic)

    def failed(self) -> None:
        self.due = time.monotonic() + self.pause
        self.pause = min(2 * self.pause, MAX_RETRY_SECONDS)


class ModelUpdater:
    """Keeps `models` up to date in its own thread."""

    def __init__(
        self, settings: Settings, open_lake: Callable[[], Lake], shadow: ShadowScorer
    ) -> None:
        self.models = Models()
        self._settings = settings
        self._predictor = settings.predictor
        self._open_lake = open_lake
        self._shadow = shadow
        uri = settings.mlflow.tracking_uri
        self.registry = (
            RestRegistry(uri, settings.mlflow.model_name, self._predictor.registry_timeout_seconds)
            if uri.startswith(("http://", "https://"))
            else None
        )
        self._backoffs: dict[tuple[str, str], Backoff] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="updater", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()

    def _run(self) -> None:
        lower_thread_priority()
        while not self._stop.is_set():
            try:
                self.poll()
            except Exception:  # nothing may end the thread
                log.exception("polling the registry failed")
            spread = random.uniform(0.8, 1.2)  # noqa: S311 - spreads the requests of many pods
            self._stop.wait(self._predictor.poll_interval_seconds * spread)

    def poll(self) -> None:
        """Poll the registry once; if it fails and no model is served, try the lake's `models/`."""
        if self.registry is not None:
            try:
                self._follow(self.registry)
            except PipelineError as error:
                self._report(str(error))
            else:
                return
        if self.models.served is None:
            self._load_fallback()

    def _follow(self, registry: RestRegistry) -> None:
        version = registry.get_by_alias(self._predictor.alias)
        self.models.contact = time.time()
        self.models.nothing_promoted_yet = version is None and self.models.served is None
        if version is None:
            name, alias = self._settings.mlflow.model_name, self._predictor.alias
            self._report(f"No version of {name} has the alias {alias} yet")
        elif model := self._get_model(registry, version, self._predictor.alias):
            self._serve(model)
        elif self.models.served is None:  # refused: what was in production before is better
            self._load_fallback()
        self._follow_shadow(registry)

    def _follow_shadow(self, registry: RestRegistry) -> None:
        alias = self._predictor.shadow_alias
        version = registry.get_by_alias(alias) if alias else None
        model = self._get_model(registry, version, alias) if version else None
        self.models.shadow = model
        self._shadow.compare(model, self.models.served)

    def _get_model(self, registry: RestRegistry, version: Version, alias: str) -> Model | None:
        """Return the version's model, loading it if necessary; None if it is refused."""
        for model in self.models.loaded():
            if model.identity == (version.number, version.run_id):
                return model
        key = (version.number, alias)
        backoff = self._backoffs.setdefault(key, Backoff(self._predictor.poll_interval_seconds))
        if time.monotonic() < backoff.due:
            return None
        source = f"version {version.number} of {self._settings.mlflow.model_name}"
        tolerance = self._settings.gates.max_onnx_difference
        try:
            if alias == PRODUCTION and self._predictor.require_record:
                self._check_record(version)
            bundle = registry.bundle(version)
            model = load(bundle, source, alias, tolerance, self._predictor.cache_size)
        except (PipelineError, ValueError) as error:  # ValueError: a manifest of another shape
            backoff.failed()
            self.models.refused += 1
            self._report(f"refused {source}: {error}")
            return None
        del self._backoffs[key]
        return model

    def _check_record(self, version: Version) -> None:
        """Raise RegistryError if no promotion record moved production to this version."""
        if not is_recorded(self._open_lake(), version):
            raise RegistryError(
                f"`{PRODUCTION}` was moved there without a promotion record. Return to a recorded"
                " version with `python -m pipeline rollback --to VERSION`, or set"
                " MLOPS_PREDICTOR__REQUIRE_RECORD=false to accept such moves"
            )

    def _serve(self, model: Model) -> None:
        models = self.models
        model.alias = self._predictor.alias  # None so far if it came from the lake's models/
        if model is models.served:
            return
        models.served, models.previous = model, models.served or models.previous
        models.swaps += 1
        log.info("serving %s", model.source)

    def _load_fallback(self) -> None:
        """Serve the bundle in the lake's `models/`."""
        tolerance = self._settings.gates.max_onnx_difference
        try:
            lake = self._open_lake()
            bundle = read_fallback(lake)
            if self._predictor.require_record:
                check_fallback(lake, bundle.manifest)
            model = load(
                bundle, lake.url(layout.MODELS), None, tolerance, self._predictor.cache_size
            )
        except (PipelineError, ValueError) as error:
            known = self.models.reason
            repeated = self.registry is None or known.endswith(str(error))
            self._report(str(error) if repeated else f"{known}; {error}")
        else:
            self.models.served = model
            log.info("serving %s, version %s", model.source, model.version)

    def _report(self, reason: str) -> None:
        """Store why no model can be served, and log it if it is new."""
        if reason != self.models.reason:
            log.warning("%s", reason)
        self.models.reason = reason

"""Which model answers: a thread that follows the registry's aliases, and the holder of what it found.

The served model is one reference, swapped when a new version is downloaded, checked and tried. Nothing here is on a request's
path: the registry, or the lake, may be away for as long as it likes.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from pipeline.errors import PipelineError
from pipeline.model.bundle import read_fallback
from pipeline.storage.lake import Lake
from pipeline.tracking.registry import Version
from serving.model.mlflow_rest import RestRegistry
from serving.model.served_model import Model, load
from serving.model.shadow import ShadowScorer
from serving.settings import Settings
from serving.threads import stand_back

log = logging.getLogger(__name__)

LONGEST_RETRY = 300.0
"""Seconds between two tries of a version that was refused."""


@dataclass
class Models:
    """What this process holds. Only the follower writes; readers take one reference."""

    served: Model | None = None
    previous: Model | None = None
    shadow: Model | None = None
    reason: str = "No model yet: the registry has not been asked"
    """Why there is none."""
    none_yet: bool = False
    """Whether that is because the registry has none to serve, as it said itself."""
    contact: float = 0.0
    """Time (seconds of the epoch) of the registry's last answer; 0 for never."""
    refused: int = 0
    swaps: int = 0

    def held(self) -> list[Model]:
        return [model for model in (self.served, self.previous, self.shadow) if model is not None]


@dataclass
class _Patience:
    """When a version that was refused may be tried again."""

    pause: float
    due: float = field(default_factory=time.monotonic)

    def failed(self) -> None:
        self.due = time.monotonic() + self.pause
        self.pause = min(2 * self.pause, LONGEST_RETRY)


class Follower:
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
            RestRegistry(uri, settings.mlflow.name, self._predictor.registry_timeout_seconds)
            if uri.startswith(("http://", "https://"))
            else None
        )
        self._patience: dict[tuple[str, str], _Patience] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="follower", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()

    def _run(self) -> None:
        stand_back()
        while not self._stop.is_set():
            try:
                self.look()
            except Exception:  # the thread must outlive anything
                log.exception("the look at the registry failed")
            self._stop.wait(self._predictor.poll_interval_seconds * random.uniform(0.8, 1.2))  # noqa: S311 - spreads the pods' questions

    def look(self) -> None:
        """One look at the registry, or where it is away and nothing is served yet, at the lake's `models/`."""
        if self.registry is not None:
            try:
                self._follow(self.registry)
            except PipelineError as error:
                self._complain(str(error))
            else:
                return
        if self.models.served is None:
            self._fall_back()

    def _follow(self, registry: RestRegistry) -> None:
        version = registry.get_by_alias(self._predictor.alias)
        self.models.contact = time.time()
        self.models.none_yet = version is None and self.models.served is None
        if version is None:
            self._complain(
                f"No version of {self._settings.mlflow.name} has the alias {self._predictor.alias} yet"
            )
        elif model := self._model_of(registry, version, self._predictor.alias):
            self._serve(model)
        self._follow_shadow(registry)

    def _follow_shadow(self, registry: RestRegistry) -> None:
        alias = self._predictor.shadow_alias
        version = registry.get_by_alias(alias) if alias else None
        model = self._model_of(registry, version, alias) if version else None
        self.models.shadow = model
        self._shadow.compare(model, self.models.served)

    def _model_of(self, registry: RestRegistry, version: Version, alias: str) -> Model | None:
        """The version's model, from memory or from the registry; None if it is refused."""
        for held in self.models.held():
            if held.identity == (version.number, version.run_id):
                return held
        key = (version.number, alias)
        patience = self._patience.setdefault(key, _Patience(self._predictor.poll_interval_seconds))
        if time.monotonic() < patience.due:
            return None
        place = f"version {version.number} of {self._settings.mlflow.name}"
        try:
            bundle = registry.bundle(version)
            model = load(
                bundle,
                place,
                alias,
                self._settings.gates.max_onnx_difference,
                self._predictor.cache_size,
            )
        except (PipelineError, ValueError) as error:  # ValueError: a manifest of another shape
            patience.failed()
            self.models.refused += 1
            self._complain(f"refused {place}: {error}")
            return None
        del self._patience[key]
        return model

    def _serve(self, model: Model) -> None:
        models = self.models
        model.alias = self._predictor.alias  # also where the lake's models/ held the same version
        if model is models.served:
            return
        models.served, models.previous = model, models.served or models.previous
        models.swaps += 1
        log.info("serving %s", model.source)

    def _fall_back(self) -> None:
        try:
            lake = self._open_lake()
            bundle = read_fallback(lake)
            tolerance = self._settings.gates.max_onnx_difference
            self._serve_fallback(
                load(bundle, lake.url("models"), None, tolerance, self._predictor.cache_size)
            )
        except (PipelineError, ValueError) as error:
            known = self.models.reason
            self._complain(
                f"{error}"
                if self.registry is None or known.endswith(str(error))
                else f"{known}; {error}"
            )

    def _serve_fallback(self, model: Model) -> None:
        self.models.served = model
        log.info("serving %s, version %s", model.source, model.version)

    def _complain(self, reason: str) -> None:
        if reason != self.models.reason:
            log.warning("%s", reason)
        self.models.reason = reason

"""A model in memory, loaded from a bundle and verified on the bundle's stored examples.

A request uses one Model for its whole response, so that numbers, labels and headers always belong
to the same version.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pipeline.columns import (
    FEATURE_NAMES,
    HAS_BLANKS,
    LABEL,
    PROBABILITY,
    PROBABILITY_FIELDS,
)
from pipeline.model.acceptance import (
    ModelRefused,
    check_columns,
    check_examples,
    get_example_rows,
)
from pipeline.model.bundle import ONNX, PICKLE, REFITS, Bundle
from pipeline.model.decision import DIGITS, is_positive, label_name
from pipeline.model.training_range import TrainingRange, Warnings, to_json
from pipeline.times import utc_now
from serving.http.rows import Row
from serving.model.explain import Explainer
from serving.model.importance import compute_importance
from serving.model.refits import Refits
from serving.model.scorers import Scorer, onnx_scorer, pickle_scorer


class ScoredRow(NamedTuple):
    """A row's prediction, with its JSON for the response and for the traffic log."""

    probability: float
    answer: bytes
    log: bytes
    warnings: Warnings = ()


class Model:
    """A loaded model.

    `score` may be called from any thread; the cache belongs to the event loop's thread.
    """

    def __init__(
        self, bundle: Bundle, scorer: Scorer, source: str, alias: str | None, cache_size: int
    ) -> None:
        self.manifest = manifest = bundle.manifest
        self.scorer = scorer
        self.refits: Refits | None = None
        """None in bundles of earlier releases."""
        self.explainer = Explainer(scorer, manifest.background, bundle.files.get(ONNX))
        self.importance: dict[str, float] = {}
        """How much the predictions depend on each feature, largest first."""
        self.range = TrainingRange(manifest.training)
        self.source = source
        self.alias = alias
        self.since = utc_now()
        self.version = manifest.version or "unregistered"
        self.threshold = round(manifest.threshold, DIGITS)
        self.header = (b"x-model-version", self.version.encode("latin-1", "replace"))
        name = {"name": manifest.name, "version": self.version, "run_id": manifest.run_id}
        self._tail = b'],"threshold":%b,"model":%b}' % (
            repr(self.threshold).encode(),
            json.dumps(name, separators=(",", ":")).encode(),
        )
        self._log_format = self._make_log_format()
        self._answer_parts = tuple(map(_split_answer, (LABEL.negative, LABEL.positive)))
        self._generation_size = cache_size // 2
        self._young: dict[Row, ScoredRow] = {}
        self._old: dict[Row, ScoredRow] = {}

    def _make_log_format(self) -> str:
        version = json.dumps(self.version).replace("%", "%%")
        place = "%s" if HAS_BLANKS else "%.9g"
        features = "".join(f'"{name}":{place},' for name in FEATURE_NAMES)
        return f'"version":{version},{features}"{PROBABILITY}":%r}}\n'

    @property
    def identity(self) -> tuple[str, str]:
        """Version and run id."""
        return self.version, self.manifest.run_id

    @property
    def average_risk(self) -> float:
        """Rate of the positive outcome among the training rows."""
        training = self.manifest.training
        return training.positive_rate if training else LABEL.rate

    def label(self, probability: float) -> str:
        return label_name(probability, self.threshold)

    def score(self, rows: Sequence[Row]) -> list[ScoredRow]:
        """Score rows in one run of the model."""
        matrix = np.array(rows, np.float32)
        probabilities = self.scorer(matrix).tolist()
        is_usual = len(rows) == 1 and self.range.contains(rows[0])
        warnings = {} if is_usual else self.range.check(matrix)
        scored = []
        for index, (row, raw) in enumerate(zip(rows, probabilities, strict=True)):
            probability = round(raw, DIGITS)
            answer = self.plain_answer(probability)
            warned = warnings.get(index, ())
            if warned:
                answer = f'{answer[:-1]},"warnings":{to_json(warned)}}}'
            logged = map(_to_json, row) if HAS_BLANKS else row
            line = self._log_format % (*logged, probability)
            scored.append(ScoredRow(probability, answer.encode(), line.encode(), warned))
        return scored

    def plain_answer(self, probability: float) -> str:
        """Return the JSON of a prediction without warnings."""
        parts = self._answer_parts[is_positive(probability, self.threshold)]
        return repr(probability).join(parts)

    def response_body(
        self, scored: Sequence[ScoredRow], further_fields: Sequence[bytes] = ()
    ) -> bytes:
        """Return the JSON body of a `/predict` response.

        Args:
            scored: Predictions of this model, in the order of the request.
            further_fields: JSON of further fields for each of them, without braces, or nothing.
        """
        answers = [row.answer for row in scored]
        if further_fields:
            answers = [
                b"%b,%b}" % (answer[:-1], fields)
                for answer, fields in zip(answers, further_fields, strict=True)
            ]
        return b'{"predictions":[' + b",".join(answers) + self._tail

    def cached(self, row: Row) -> ScoredRow | None:
        """Return the row's prediction if it is cached: equal rows are frequent in survey data.

        The cache has two generations: when the young one is full it replaces the old one.
        """
        scored = self._young.get(row)
        if scored is None and (scored := self._old.get(row)) is not None:
            self.cache(row, scored)
        return scored

    def cache(self, row: Row, scored: ScoredRow) -> None:
        """Add a prediction to the cache."""
        if self._generation_size:
            if len(self._young) >= self._generation_size:
                self._old, self._young = self._young, {}
            self._young[row] = scored


def _split_answer(label: str) -> list[str]:
    """Return the JSON of a prediction with this label, split where its probability belongs."""
    first, *others = [f'"{name}":' for name in PROBABILITY_FIELDS]
    start = f'{{"label":{json.dumps(label, ensure_ascii=False)},{first}'
    return [start, *(f",{other}" for other in others), "}"]


def load(
    bundle: Bundle, source: str, alias: str | None, tolerance: float, cache_size: int
) -> Model:
    """Load a bundle's model and verify it on the bundle's stored examples.

    Args:
        bundle: Manifest and model file.
        source: Where the bundle comes from, for `/model` and error messages.
        alias: Alias of the version in the registry, if any.
        tolerance: Largest accepted difference from the stored probabilities.
        cache_size: Number of rows whose predictions the model caches.

    Raises:
        ModelRefused: If the model cannot be loaded, expects other features, was trained with
            another columns file, or returns other probabilities.
    """
    manifest = bundle.manifest
    check_columns(manifest, source)
    try:
        scorer = (
            onnx_scorer(bundle.files[ONNX])
            if ONNX in bundle.files
            else pickle_scorer(bundle.files[PICKLE])
        )
        model = Model(bundle, scorer, source, alias, cache_size)
        inputs = get_example_rows(manifest)
        if manifest.refits and REFITS in bundle.files:
            model.refits = Refits(bundle.files[REFITS], manifest.refits)
            model.refits.positive_fraction(inputs)
        scored = scorer(inputs) if len(inputs) else np.zeros(0, np.float32)
        model.importance = compute_importance(scorer, manifest.background, FEATURE_NAMES)
    except ModelRefused:
        raise
    except Exception as error:  # a library's error for a broken file
        raise ModelRefused(f"{source} cannot be loaded: {type(error).__name__}: {error}") from error
    check_examples(manifest, scored, tolerance, source)
    return model


def _to_json(value: float) -> str:
    """Write a value of a row; null for a blank."""
    return "null" if math.isnan(value) else f"{value:.9g}"

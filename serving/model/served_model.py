"""A model in memory, ready to answer: loaded from a bundle and tried on its stored examples.

A request takes one Model and lets it make all of its answer, so that numbers, labels and headers cannot disagree.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pipeline.columns import FEATURE_NAMES, LABEL
from pipeline.context import utc_now
from pipeline.errors import PipelineError
from pipeline.model.bundle import ONNX, ONNX_INPUT, ONNX_OUTPUT, PICKLE, Bundle, Manifest
from serving.http.requests import DIGITS, Matrix, Row, Scorer
from serving.model.explain import Explainer


class ModelRefused(PipelineError):
    """A bundle is not served: it cannot be loaded, or does not answer as its manifest says."""


class Scored(NamedTuple):
    """A row's prediction, with the pieces of text that answers and the traffic log are put together from."""

    probability: float
    answer: bytes
    log: bytes


class Model:
    """A loaded model. Thread-safe to score; `answer` is for the event loop's thread alone."""

    def __init__(
        self, manifest: Manifest, scorer: Scorer, source: str, alias: str | None, cache_size: int
    ) -> None:
        self.manifest = manifest
        self.scorer = scorer
        self.explainer = Explainer(scorer, manifest.background)
        self.source = source
        self.alias = alias
        self.since = utc_now()
        self.version = manifest.version or "unregistered"
        self.threshold = round(manifest.threshold, DIGITS)
        self.header = (b"x-model-version", self.version.encode("latin-1", "replace"))
        name = {"name": manifest.name, "version": self.version, "run_id": manifest.run_id}
        self.tail = b'],"threshold":%b,"model":%b}' % (
            repr(self.threshold).encode(),
            json.dumps(name, separators=(",", ":")).encode(),
        )
        self._log = self._log_format()
        self._half = cache_size // 2
        self._young: dict[Row, Scored] = {}
        self._old: dict[Row, Scored] = {}

    def _log_format(self) -> str:
        version = json.dumps(self.version).replace("%", "%%")
        features = "".join(f'"{name}":%.9g,' for name in FEATURE_NAMES)
        return f'"version":{version},{features}"fail_probability":%r}}\n'

    @property
    def identity(self) -> tuple[str, str]:
        return self.version, self.manifest.run_id

    def label(self, probability: float) -> str:
        return LABEL.positive if probability >= self.threshold else LABEL.negative

    def score(self, rows: Sequence[Row]) -> list[Scored]:
        """Scores rows, in one run of the model."""
        probabilities = self.scorer(np.array(rows, np.float32)).tolist()
        scored = []
        for row, raw in zip(rows, probabilities, strict=True):
            probability = round(raw, DIGITS)
            answer = f'{{"label":"{self.label(probability)}","fail_probability":{probability!r}}}'
            scored.append(
                Scored(probability, answer.encode(), (self._log % (*row, probability)).encode())
            )
        return scored

    def remembered(self, row: Row) -> Scored | None:
        """A row's prediction, where it was scored lately: the survey's grid is small, and rows come back.

        Two generations of a dictionary bound the memory: when the young one is full it becomes the old one.
        """
        scored = self._young.get(row)
        if scored is None and (scored := self._old.get(row)) is not None:
            self.remember(row, scored)
        return scored

    def remember(self, row: Row, scored: Scored) -> None:
        if self._half:
            if len(self._young) >= self._half:
                self._old, self._young = self._young, {}
            self._young[row] = scored


def load(
    bundle: Bundle, source: str, alias: str | None, tolerance: float, cache_size: int
) -> Model:
    """The model of a bundle, which must reproduce the bundle's stored examples within `tolerance`.

    Raises:
        ModelRefused: it cannot be loaded, takes other features, or answers otherwise.
    """
    manifest = bundle.manifest
    if tuple(manifest.features) != FEATURE_NAMES:
        raise ModelRefused(
            f"{source} takes the features {manifest.features}, the API has {list(FEATURE_NAMES)}"
        )
    try:
        scorer = (
            onnx_scorer(bundle.files[ONNX])
            if ONNX in bundle.files
            else pickle_scorer(bundle.files[PICKLE])
        )
        model = Model(manifest, scorer, source, alias, cache_size)
        inputs = np.array(manifest.examples.inputs, np.float32).reshape(-1, len(FEATURE_NAMES))
        got = scorer(inputs) if len(inputs) else np.zeros(0, np.float32)
    except ModelRefused:
        raise
    except (
        Exception
    ) as error:  # whatever a broken file makes a library raise: the model that serves goes on
        raise ModelRefused(f"{source} cannot be loaded: {type(error).__name__}: {error}") from error
    expected = np.array(manifest.examples.fail_probability, np.float64)
    difference = (
        float(np.max(np.abs(got - expected), initial=0.0))
        if got.shape == expected.shape
        else float("nan")
    )
    if not difference <= tolerance:
        raise ModelRefused(
            f"{source} answers its stored examples with a difference of {difference:g}; {tolerance:g} is allowed"
        )
    return model


def onnx_scorer(data: bytes) -> Scorer:
    """A scorer that runs an ONNX graph on the calling thread."""
    import onnxruntime

    onnxruntime.set_default_logger_severity(3)  # errors alone
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = (
        1  # it would count the node's cores, not the pod's
    )
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    run, outputs = session.run, [ONNX_OUTPUT]

    def scorer(matrix: Matrix) -> Matrix:
        probabilities: Matrix = run(outputs, {ONNX_INPUT: matrix})[0][:, 1]
        return probabilities

    return scorer


def pickle_scorer(data: bytes) -> Scorer:
    """A scorer of a pickled scikit-learn model; its hash was checked against the manifest that our own stage wrote.

    Raises:
        ModelRefused: scikit-learn is not installed.
    """
    import pickle

    try:
        import sklearn  # noqa: F401
    except ImportError as error:
        raise ModelRefused(
            "there is only model.pkl: install the group `serving-pickle`, or provide model.onnx"
        ) from error
    estimator = pickle.loads(data)  # noqa: S301 - see above

    def scorer(matrix: Matrix) -> Matrix:
        probabilities: Matrix = estimator.predict_proba(matrix)[:, 1].astype(np.float32)
        return probabilities

    return scorer

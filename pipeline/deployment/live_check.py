"""Check that the running predictors serve a version as the registry has it."""

from __future__ import annotations

import time

import numpy as np

from pipeline.columns import PROBABILITY
from pipeline.deployment.predictor_client import (
    Refused,
    Replica,
    Unreachable,
    find_replicas,
    request_all,
    to_request_row,
)
from pipeline.model.bundle import Bundle
from pipeline.model.decision import label_name
from pipeline.model.onnx import open_session, positive_probability
from pipeline.polling import poll_until
from pipeline.settings import Settings
from pipeline.types import FloatArray

PREDICT_PATH = "/predict?log=false"
"""The example rows must not reach the traffic log, from which drift is computed."""

HEALTHY = ""
"""The outcome of a watch that found no problem."""


def watch(settings: Settings, number: str, bundle: Bundle) -> str | None:
    """Check every predictor repeatedly for `deployment.watch_period_seconds`.

    A check compares the predictions for the model's example rows and counts failed predictions.
    Pods come and go, so a predictor that does not respond, or serves another version, is not a
    problem yet. The watch continues until all predictors pass one check, for at most
    `deployment.rollout_timeout_seconds` more.

    Args:
        settings: The settings.
        number: The version that the predictors should serve.
        bundle: The registry's model of that version.

    Returns:
        A sentence that describes the first problem, or None.
    """
    deployment = settings.deployment
    state = _Watch(settings, number, bundle)
    outcome = poll_until(
        state.check,
        timeout_seconds=deployment.watch_period_seconds + deployment.rollout_timeout_seconds,
        interval_seconds=deployment.poll_interval_seconds,
    )
    if outcome is not None:
        return outcome or None
    return state.unreachable or f"no predictor is left at {settings.predictor.url}"


class _Watch:
    """What a watch remembers from one check to the next."""

    def __init__(self, settings: Settings, number: str, bundle: Bundle) -> None:
        self._settings, self._number, self._bundle = settings, number, bundle
        inputs = bundle.manifest.examples.inputs
        self._expected = positive_probability(open_session(bundle), inputs)
        self._error_counts = request_all(find_replicas(settings), Replica.count_errors)
        self._errors = 0.0
        self._earliest_end = time.monotonic() + settings.deployment.watch_period_seconds
        self.unreachable: str | None = None
        """Why a predictor did not respond in the last check."""

    def check(self) -> str | None:
        """Check all predictors once; return a problem, HEALTHY, or None to continue."""
        replicas = find_replicas(self._settings)
        differences = request_all(replicas, self._find_difference)
        counts = request_all(replicas, Replica.count_errors)
        self._errors += sum(
            count_new_errors(self._error_counts.get(replica), count)
            for replica, count in counts.items()
        )
        self._error_counts |= counts
        for difference in differences.values():
            if isinstance(difference, (str, Refused)):
                return str(difference)
        limit = self._settings.deployment.max_failed_predictions
        if self._errors > limit:
            return (
                f"{self._errors:.0f} predictions failed after version {self._number} went live; "
                f"the limit is {limit} (MLOPS_DEPLOYMENT__MAX_FAILED_PREDICTIONS)"
            )
        results = [*differences.values(), *counts.values()]
        missing = [str(result) for result in results if isinstance(result, Unreachable)]
        self.unreachable = missing[0] if missing else None
        is_over = time.monotonic() >= self._earliest_end
        return HEALTHY if is_over and replicas and not missing else None

    def _find_difference(self, replica: Replica) -> str | None:
        tolerance = self._settings.deployment.answer_tolerance
        return find_difference(replica, self._number, self._bundle, self._expected, tolerance)


def count_new_errors(last: float | Unreachable | None, count: float | Unreachable) -> float:
    """Return the errors since the last count; the first count of a predictor adds none."""
    if last is None or isinstance(last, Unreachable) or isinstance(count, Unreachable):
        return 0.0
    return count - last if count >= last else count  # a restarted process counts from zero


def find_difference(
    replica: Replica, number: str, bundle: Bundle, expected: FloatArray, tolerance: float
) -> str | None:
    """Compare a predictor's predictions for the example rows with those of the registry's model.

    Args:
        replica: The predictor.
        number: The version that it should serve.
        bundle: The registry's model of that version.
        expected: Probabilities that the registry's model gives the example rows, shape (n_rows,).
        tolerance: Largest difference between two probabilities that counts as equal.

    Returns:
        A sentence that describes the difference, or None.

    Raises:
        Unreachable: If the predictor does not respond, or serves another version.
    """
    inputs, threshold = bundle.manifest.examples.inputs, bundle.manifest.threshold
    name = f"/predict of {replica.address}"
    document = replica.request_json(PREDICT_PATH, [to_request_row(row) for row in inputs])
    try:
        served = str(document["model"]["version"])
        predictions = document["predictions"]
        probabilities = np.array([float(item[PROBABILITY]) for item in predictions])
        labels = [item["label"] for item in predictions]
    except (KeyError, TypeError, ValueError) as error:
        return f"{name} returned something other than predictions: {error!r}"
    if served != number:  # a process that has just started, for example
        raise Unreachable(f"{name} returned predictions of version {served}, not {number}")
    if len(probabilities) != len(inputs):
        return f"{name} returned {len(probabilities)} predictions for {len(inputs)} rows"
    difference = float(np.max(np.abs(probabilities - expected), initial=0.0))
    if not difference <= tolerance:  # NaN fails too
        return (
            f"{name} differs by {difference:.3g} from the registry's version {number}; the limit "
            f"is {tolerance:g} (MLOPS_DEPLOYMENT__ANSWER_TOLERANCE)"
        )
    # An earlier release stored rows of persons as examples, so the message names only the number.
    for number_of_row, (probability, label) in enumerate(zip(expected, labels, strict=True), 1):
        is_borderline = abs(probability - threshold) <= tolerance
        if not is_borderline and label != label_name(probability, threshold):
            return (
                f"{name} labels the example row {number_of_row} {label!r} at a probability of "
                f"{probability:.4g}, although the threshold is {threshold:.4g}"
            )
    return None

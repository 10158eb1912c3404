"""How a candidate in the shadow compares with the production model on live rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.model.bundle import REFITS, Bundle
from pipeline.model.decision import is_positive
from pipeline.model.onnx import open_graph, run_graph
from pipeline.types import BoolArray, FloatArray


@dataclass(frozen=True)
class ShadowTraffic:
    """Live rows that the predictors also scored with a version that does not answer.

    Attributes:
        rows: Number of rows that both versions scored.
        agreement: Fraction of those rows that got the same label from both.
    """

    rows: int
    agreement: float


def has_refits(bundle: Bundle) -> bool:
    """Whether a bundle has the refits that the agreement is compared with."""
    return bundle.manifest.refits is not None and REFITS in bundle.files


def predict_refits(bundle: Bundle, features: FloatArray) -> BoolArray | None:
    """Predict labels with the refits of a bundle.

    Args:
        bundle: The model.
        features: Features in the order of columns.FEATURES, shape (n_rows, n_features).

    Returns:
        Whether each refit predicts each row positive, shape (n_rows, n_refits); None if the bundle
        has no refits.
    """
    refits = bundle.manifest.refits
    if refits is None or not has_refits(bundle):
        return None
    probabilities = run_graph(open_graph(bundle.files[REFITS]), features)
    return is_positive(probabilities.astype(np.float64), np.array(refits.thresholds))


def describe_unjudged(shadow: ShadowTraffic | None, min_rows: int, candidate: Bundle) -> str | None:
    """Describe why the shadow traffic of a candidate is not judged.

    Args:
        shadow: The shadow traffic.
        min_rows: Fewest rows that are judged.
        candidate: The candidate.

    Returns:
        A sentence without a full stop; None if it is judged.
    """
    rows = shadow.rows if shadow else 0
    if rows < min_rows:
        return (
            f"the candidate scored {rows:,} live rows in the shadow, and its agreement with the "
            f"champion is judged from {min_rows:,}"
        )
    if not has_refits(candidate):
        return (
            f"the agreement with the champion on {rows:,} live rows is not judged: the "
            "candidate has no refits to compare it with. Train it again"
        )
    return None

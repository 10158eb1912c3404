"""Transformers that turn features into the columns that a classifier learns from.

All of them are frozen: they depend on the columns file only, and fitting a pipeline does not fit
them to the data. Statistics taken from the data would move with its smallest and largest value, and
one extreme row would change every bin.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.columns import Category, Feature
from pipeline.types import FloatArray


def get_bin_edges(feature: Feature, bins: int) -> FloatArray:
    """Return the edges of a feature's bins; values beyond the outer edges belong to the outer bins.

    Args:
        feature: The feature. A category has one bin per code. The first bin of a feature that may
            be blank is for blanks.
        bins: Number of bins of a number: they divide its typical range into equal parts.

    Returns:
        Edges, shape (n_bins + 1,). They are float32 numbers, as the ONNX graph stores them, so
        that both put a value at an edge into the same bin.
    """
    if isinstance(feature, Category):
        codes = np.sort(np.array(list(feature.codes.values()), dtype=np.float64))
        edges = np.concatenate([[codes[0] - 1], (codes[1:] + codes[:-1]) / 2, [codes[-1] + 1]])
        smallest = float(codes[0])
    else:
        edges = np.linspace(*feature.typical, bins + 1)
        smallest = feature.low
    if not feature.required:
        edges[0] = (feature.blank_value + smallest) / 2
        edges = np.concatenate([[feature.blank_value], edges])
    return edges.astype(np.float32).astype(np.float64)


def make_filling(features: Sequence[Feature]) -> list[Any]:
    """Return the step that replaces blanks by numbers, or no step if no feature may be blank.

    Args:
        features: The features, in the order of the columns of the rows.
    """
    from sklearn.frozen import FrozenEstimator
    from sklearn.impute import SimpleImputer

    if all(feature.required for feature in features):
        return []
    numbers = np.array([[feature.blank_value for feature in features]], np.float32)
    return [FrozenEstimator(SimpleImputer(strategy="most_frequent").fit(numbers))]


def make_binning(features: Sequence[Feature], bins: int, encode: str = "ordinal") -> list[Any]:
    """Return the step that cuts each feature into bins, or no step for 0 bins.

    Args:
        features: The features, in the order of the columns of the rows.
        bins: Number of bins of a number.
        encode: `ordinal` for a column with the number of the bin, `onehot-dense` for a column per
            bin.
    """
    from sklearn.frozen import FrozenEstimator
    from sklearn.preprocessing import KBinsDiscretizer

    if not bins:
        return []
    edges = [get_bin_edges(feature, bins) for feature in features]
    counts = [one.size - 1 for one in edges]
    step = KBinsDiscretizer(counts, encode=encode, strategy="uniform", subsample=None)
    step.fit(np.column_stack([[one[0], one[-1]] for one in edges]).astype(np.float32))
    for index, one in enumerate(edges):
        step.bin_edges_[index] = one
    return [FrozenEstimator(step)]


def make_indicators(features: Sequence[Feature]) -> list[Any]:
    """Return the step that fills blanks and gives each category its own column.

    Trees then need only one split to separate a category. The columns of the categories come
    before the other features.

    Args:
        features: The features, in the order of the columns of the rows.

    Returns:
        The step of `make_filling` if no category has more than two codes.
    """
    from sklearn.compose import ColumnTransformer
    from sklearn.frozen import FrozenEstimator
    from sklearn.pipeline import Pipeline

    indices = range(len(features))
    nominal = [index for index in indices if is_nominal(features[index])]
    if not nominal:
        return make_filling(features)
    categories = [features[index] for index in nominal]
    others = [index for index in indices if index not in nominal]
    indicators = [*make_filling(categories), *make_binning(categories, 1, "onehot-dense")]
    filling = make_filling([features[index] for index in others])
    step = ColumnTransformer(
        [
            (name, Pipeline([(f"step{at}", step) for at, step in enumerate(steps)]), columns)
            for name, steps, columns in (
                ("categories", indicators, nominal),
                ("others", filling, others),
            )
            if steps
        ],
        remainder="passthrough",
    )
    step.fit(np.zeros((1, len(features)), np.float32))
    for _, fitted, _ in step.transformers_:
        if isinstance(fitted, Pipeline):
            fitted.steps = [(name, frozen.estimator) for name, frozen in fitted.steps]
    return [FrozenEstimator(step)]


def is_nominal(feature: Feature) -> bool:
    """Whether a feature is a category whose codes have no order."""
    return isinstance(feature, Category) and not feature.ordered and len(feature.codes) > 2

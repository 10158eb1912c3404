"""Turn gold and silver frames into the arrays that models are fitted and measured on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from pipeline.columns import FEATURE_NAMES, LABEL
from pipeline.types import IntArray

if TYPE_CHECKING:
    import pandas as pd


def feature_array(frame: pd.DataFrame, dtype: DTypeLike = np.float64) -> NDArray[Any]:
    """Return the features as an array.

    Args:
        frame: Rows with a column per feature.
        dtype: Type of the array.

    Returns:
        The features in the order of columns.FEATURES, shape (n_rows, n_features); NaN is a blank.
    """
    return frame[list(FEATURE_NAMES)].to_numpy(dtype)


def label_array(frame: pd.DataFrame) -> IntArray:
    """Return the labels, 1 for the positive class, shape (n_rows,)."""
    labels: IntArray = frame[LABEL.name].to_numpy(np.int64)
    return labels

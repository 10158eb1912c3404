"""A model's predictions for labelled rows, made with its ONNX graph as it is served."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pipeline.column_file.checks import SPLIT_UNIT
from pipeline.columns import FEATURE_NAMES
from pipeline.errors import DataError, RegistryError
from pipeline.model.arrays import feature_array, label_array
from pipeline.model.bundle import ONNX_INPUT, ONNX_OUTPUT, Bundle
from pipeline.model.metrics import Predictions
from pipeline.model.onnx import open_session, positive_probability
from pipeline.types import FloatArray, IntArray

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


class SignatureMismatchError(RegistryError):
    """A model's inputs or outputs are not those of the API, so it cannot score rows."""


@dataclass(frozen=True, eq=False)
class SplitPredictions:
    """A model and labelled rows. Predictions are computed on first use.

    Attributes:
        bundle: The model.
        frame: Rows with every feature and the label.
    """

    bundle: Bundle
    frame: pd.DataFrame

    @cached_property
    def session(self) -> InferenceSession:
        """A session on the model's graph."""
        return open_session(self.bundle)

    @cached_property
    def signature_matches(self) -> bool:
        """Whether the graph accepts the API's features in their order, as float32."""
        inputs = [(item.name, item.type, item.shape[1:]) for item in self.session.get_inputs()]
        outputs = {item.name for item in self.session.get_outputs()}
        return (
            tuple(self.bundle.manifest.features) == FEATURE_NAMES
            and inputs == [(ONNX_INPUT, "tensor(float)", [len(FEATURE_NAMES)])]
            and ONNX_OUTPUT in outputs
        )

    @cached_property
    def features(self) -> FloatArray:
        """Features, shape (n_rows, n_features)."""
        return feature_array(self.frame)

    @cached_property
    def labels(self) -> IntArray:
        """Labels, 1 for the positive class, shape (n_rows,).

        Raises:
            DataError: If one of the classes is missing.
        """
        labels = label_array(self.frame)
        if len(set(labels.tolist())) != 2:
            raise DataError(
                f"all {len(labels):,} test rows have the same label, so nothing can be measured. "
                "Run `features` again on data with both labels."
            )
        return labels

    @cached_property
    def units(self) -> IntArray | None:
        """Number of each row's unit, shape (n_rows,); see `get_units`."""
        return get_units(self.frame)

    @cached_property
    def predictions(self) -> Predictions:
        """The model's predictions for the rows."""
        return Predictions(self.score(self.features), self.bundle.manifest.threshold)

    def score(self, features: FloatArray) -> FloatArray:
        """Return the probability of the positive class.

        Args:
            features: Features in the order of columns.FEATURES, shape (n_rows, n_features).

        Returns:
            Probabilities, shape (n_rows,).

        Raises:
            SignatureMismatchError: If the model does not accept the API's features.
        """
        if not self.signature_matches:
            raise SignatureMismatchError(
                f"the model of MLflow run {self.bundle.manifest.run_id} has the features "
                f"{', '.join(self.bundle.manifest.features)}, but the columns file has "
                f"{', '.join(FEATURE_NAMES)}. Train a model on the current columns."
            )
        return positive_probability(self.session, features)


def get_units(frame: pd.DataFrame) -> IntArray | None:
    """Return the number of each row's unit, such as its person; None if all rows are independent.

    Args:
        frame: Rows of gold.

    Returns:
        Numbers, shape (n_rows,); see pipeline/model/units.py.
    """
    return frame[SPLIT_UNIT].to_numpy(np.int64) if SPLIT_UNIT in frame else None

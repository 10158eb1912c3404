"""Histogram gradient boosting of many rows in little memory.

scikit-learn's HistGradientBoostingClassifier copies its rows to float64: 8 bytes per value. Here,
blocks of rows become bins of one byte per value, which scikit-learn's own tree growers learn from.
Besides, a fit needs 36 bytes per row: 8 for the score, 8 for gradient and hessian, and 20 for what
a grower sorts by leaf.

The number of threads changes the time, and not the trees: a thread adds up a whole feature.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pipeline.model.histogram_trees import assemble
from pipeline.model.training_data import TrainingData
from pipeline.types import Float32Array, FloatArray

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sklearn.ensemble import HistGradientBoostingClassifier

BLOCK_ROWS = 1 << 17
"""Most rows that are binned at once, and whose gradients are computed at once."""
SAMPLED_ROWS = 200_000
"""Most rows whose quantiles are the edges of the bins."""
BLOCK_VALUES = 1 << 21
"""Most values of a block: rows times the columns that the steps make of the features."""
SAMPLED_VALUES = 1 << 23
"""Most values of the sample, which are in memory at once as float64."""
N_BINS = 256
"""Bins of a feature; the last one is for missing values, which the rows do not have."""


PATIENCE = 10
"""Trees without a lower loss of the held-out rows after which a fit ends."""
ROWS_PER_THREAD = 500_000
"""With fewer rows, the threads of a fit wait for each other longer than they work."""


class Growth(NamedTuple):
    """Settings of a fit, with scikit-learn's names.

    Attributes:
        max_iter: Most trees.
        learning_rate: Factor of each tree.
        max_leaf_nodes: Most leaves of a tree.
        min_samples_leaf: Fewest rows of a leaf.
    """

    max_iter: int = 300
    learning_rate: float = 0.1
    max_leaf_nodes: int = 63
    min_samples_leaf: int = 100


class BinnedRows(NamedTuple):
    """Rows as bins, and their labels.

    Attributes:
        bins: Bin of each value, shape (n_rows, n_columns), column after column in memory.
        labels: 1 for the positive class, shape (n_rows,).
    """

    bins: NDArray[np.uint8]
    labels: NDArray[np.uint8]


class Binning:
    """Maps columns to bins, whose edges are quantiles of a sample.

    Args:
        transformers: Fitted steps that turn features into columns.
        rows: Rows to sample from, shape (n_rows, n_features).
        seed: Seed of the sample.
    """

    def __init__(self, transformers: Sequence[Any], rows: Float32Array, seed: int) -> None:
        from sklearn.ensemble._hist_gradient_boosting.binning import _BinMapper

        self._transformers = transformers
        columns = self._to_columns(rows[:1]).shape[1]
        self._block_rows = limit_rows(BLOCK_ROWS, columns, BLOCK_VALUES)
        sampled = limit_rows(SAMPLED_ROWS, columns, SAMPLED_VALUES)
        if len(rows) > sampled:
            kept = np.random.default_rng(seed).choice(len(rows), sampled, replace=False)
            rows = rows[np.sort(kept)]
        self.mapper = _BinMapper(n_bins=N_BINS, subsample=None, n_threads=1)
        self.mapper.fit(self._to_columns(rows))

    def _to_columns(self, rows: Float32Array) -> FloatArray:
        for step in self._transformers:
            rows = step.transform(rows)
        return rows.astype(np.float64)

    def apply(self, splits: Sequence[TrainingData]) -> BinnedRows:
        """Bin the rows of one or more splits, block by block."""
        labels = np.concatenate([split.labels for split in splits]).astype(np.uint8)
        bins = np.empty((labels.size, len(self.mapper.bin_thresholds_)), np.uint8, order="F")
        first = 0
        for split in splits:
            for block in _iterate_blocks(len(split.rows), self._block_rows):
                rows = self.mapper.transform(self._to_columns(split.rows[block]))
                bins[first : first + len(rows)] = rows
                first += len(rows)
        return BinnedRows(bins, labels)


def limit_rows(rows: int, columns: int, values: int) -> int:
    """Return how many rows of so many columns have at most this number of values."""
    return max(1, min(rows, values // columns))


def count_threads(rows: int) -> int:
    """Return how many threads a fit of this many rows is worth."""
    import joblib

    return max(1, min(int(joblib.cpu_count()), rows // ROWS_PER_THREAD))


def grow(
    data: BinnedRows, held_out: BinnedRows | None, binning: Binning, settings: Growth, threads: int
) -> HistGradientBoostingClassifier:
    """Fit a model.

    Args:
        data: Rows to learn from.
        held_out: Rows whose mean log loss ends the fit when it stops falling; then the trees after
            the best one are dropped. None for `max_iter` trees.
        binning: What the rows were binned by.
        settings: The settings.
        threads: Number of threads.

    Returns:
        The fitted model, of the columns that the bins were made from.
    """
    rate = float(data.labels.mean())
    baseline = float(np.log(rate / (1 - rate)))
    scores = np.full(len(data.labels), baseline)
    watched = None if held_out is None else np.full(len(held_out.labels), baseline)
    trees, losses = [], []
    for _ in range(settings.max_iter):
        trees.append(_grow_tree(data, scores, binning.mapper, settings, threads))
        if held_out is not None and watched is not None:
            missing = binning.mapper.missing_values_bin_idx_
            watched += trees[-1].predict_binned(held_out.bins, missing, threads)
            losses.append(_get_log_loss(held_out.labels, watched))
            if int(np.argmin(losses)) < len(losses) - PATIENCE:
                break
    kept = int(np.argmin(losses)) + 1 if losses else len(trees)
    parameters = settings._replace(max_iter=kept)._asdict()
    nodes = [tree.nodes for tree in trees[:kept]]
    return assemble(nodes, data.bins.shape[1], parameters, baseline)


def _grow_tree(
    data: BinnedRows, scores: FloatArray, mapper: Any, settings: Growth, threads: int
) -> Any:
    """Grow a tree, and add what it predicts to the scores."""
    from sklearn.ensemble._hist_gradient_boosting.gradient_boosting import _update_raw_predictions
    from sklearn.ensemble._hist_gradient_boosting.grower import TreeGrower

    gradients, hessians = _get_gradients(data.labels, scores)
    grower = TreeGrower(
        data.bins,
        gradients,
        hessians,
        max_leaf_nodes=settings.max_leaf_nodes,
        min_samples_leaf=settings.min_samples_leaf,
        n_bins=N_BINS,
        n_bins_non_missing=mapper.n_bins_non_missing_,
        shrinkage=settings.learning_rate,
        n_threads=threads,
    )
    grower.grow()
    _update_raw_predictions(scores, grower, threads)
    return grower.make_predictor(binning_thresholds=mapper.bin_thresholds_)


def _get_gradients(
    labels: NDArray[np.uint8], scores: FloatArray
) -> tuple[Float32Array, Float32Array]:
    """Return gradients and hessians of the log loss, each of the shape (n_rows,)."""
    gradients, hessians = np.empty((2, len(scores)), np.float32)
    for block in _iterate_blocks(len(scores), BLOCK_ROWS):
        probability = 1 / (1 + np.exp(-scores[block]))
        gradients[block] = probability - labels[block]
        hessians[block] = probability * (1 - probability)
    return gradients, hessians


def _get_log_loss(labels: NDArray[np.uint8], scores: FloatArray) -> float:
    return float(np.mean(np.logaddexp(0, np.where(labels == 1, -scores, scores))))


def _iterate_blocks(rows: int, block_rows: int) -> Iterator[slice]:
    for start in range(0, rows, block_rows):
        yield slice(start, min(start + block_rows, rows))

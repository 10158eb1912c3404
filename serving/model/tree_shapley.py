"""Exact interventional Shapley values of a sum of decision trees.

The value of a coalition is the mean score of mixed rows: each has the features of the coalition
from the explained row, and the others from a background row. A mixed row reaches a leaf only if,
for each feature on the leaf's path, the row that the feature is from would follow the path. Let S
be the features where only the explained row would follow it, and N those where only the background
row would. The coalitions that reach the leaf are those that include S and exclude N, and the
Shapley values of this leaf are value * (s-1)! n! / (s+n)! for each feature of S, and
-value * s! (n-1)! / (s+n)! for each of N, where s and n are the sizes of S and N. The sum over all
leaves and background rows is exact, without enumerating coalitions (Lundberg et al., "From local
explanations to global understanding with explainable AI for trees", Nature Machine Intelligence 2,
2020, algorithm 3).

A walk goes through the levels of many trees at once, so that each level is a few operations on
arrays. On the way back, it adds up the values of the leaves below each fork, and credits them to
the feature of the fork.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from pipeline.types import BoolArray, Float32Array, FloatArray, IntArray
from serving.model.onnx_file import UnsupportedGraph
from serving.model.trees import Trees

MAX_PATH_FEATURES = 63
"""Most features on the path to a leaf: S and N have a bit for each."""
MAX_PAIRS = 5_000
"""Most pairs of a tree and a background row in one walk, which bounds its memory."""


_FREE = -2
"""In place of a feature: no feature has this number on a path."""


def _make_weights() -> FloatArray:
    """Return (s-1)! n! / (s+n)!, and 0 for s = 0; shape (64, 64), indexed by s and n."""
    sizes = range(MAX_PATH_FEATURES + 1)
    return np.array([[1 / (s * math.comb(s + n, s)) if s else 0.0 for n in sizes] for s in sizes])


_WEIGHTS = _make_weights()


class _States(NamedTuple):
    """States on one level of a walk; all arrays have the shape (n_states,).

    Attributes:
        nodes: Node that the state has reached.
        rows: Index of the background row's first value.
        s: Bits of the features of S.
        n: Bits of the features of N.
    """

    nodes: IntArray
    rows: IntArray
    s: IntArray
    n: IntArray


class _Level(NamedTuple):
    """What the way back needs to know about a level.

    Attributes:
        size: Number of states.
        leaves: Indices of the states at a leaf.
        in_s: Shapley value, for each feature of S, of each leaf.
        in_n: Shapley value, for each feature of N, of each leaf.
        forks: Indices of the states where the two rows go to different children. The next level
            begins with the states that follow the explained row, then those that follow the other.
        others: Indices of the other states, each of which has one state on the next level.
        features: Feature of each fork.
    """

    size: int
    leaves: IntArray
    in_s: FloatArray
    in_n: FloatArray
    forks: IntArray
    others: IntArray
    features: IntArray


class TreeShapley:
    """Explains rows by trees.

    Args:
        trees: The trees.
        background: Background rows, shape (n_background, n_columns).
        features: Feature that each column depends on, shape (n_columns,).
        count: Number of features.

    Raises:
        UnsupportedGraph: If a path has too many features.
    """

    def __init__(
        self, trees: Trees, background: Float32Array, features: IntArray, count: int
    ) -> None:
        self._trees = trees
        self._background = background
        self._values = background.ravel()
        self._count = count
        self._feature = features[trees.column]
        self._bit = _number_path_features(trees, self._feature)

    def explain(self, row: Float32Array) -> FloatArray:
        """Compute the Shapley values of one row.

        Args:
            row: The row, shape (n_columns,).

        Returns:
            How much each feature adds to the mean score of the background, shape (n_features,).
        """
        trees, size = self._trees, len(self._background)
        is_lower = trees.goes_lower(row[trees.column], np.arange(len(trees.column)))
        values = np.zeros(self._count)
        step = max(1, MAX_PAIRS // size)
        for first in range(0, len(trees.roots), step):
            self._add_up(self._walk(trees.roots[first : first + step], is_lower), values)
        return values / size

    def _walk(self, roots: IntArray, is_lower: BoolArray) -> list[_Level]:
        """Walk trees with all background rows, from the roots to the leaves.

        Args:
            roots: Roots of the trees.
            is_lower: Whether the explained row goes to the lower child, by node.

        Returns:
            The levels.
        """
        trees, (size, width) = self._trees, self._background.shape
        begins = np.tile(np.arange(size) * width, len(roots))
        start = np.zeros(len(begins), np.int64)
        states = _States(np.repeat(roots, size), begins, start, start)
        levels: list[_Level] = []
        while states.nodes.size:
            is_leaf = trees.lower[states.nodes] < 0
            leaves, inner = np.flatnonzero(is_leaf), np.flatnonzero(~is_leaf)
            value = trees.value[states.nodes[leaves]]
            s, n = np.bitwise_count(states.s[leaves]), np.bitwise_count(states.n[leaves])
            in_s, in_n = value * _WEIGHTS[s, n], -value * _WEIGHTS[n, s]
            level = len(is_leaf), leaves, in_s, in_n
            states, forks, others, features = self._step(
                _States(*(values[inner] for values in states)), is_lower
            )
            levels.append(_Level(*level, inner[forks], inner[others], features))
        return levels

    def _step(
        self, states: _States, is_lower: BoolArray
    ) -> tuple[_States, IntArray, IntArray, IntArray]:
        """Go one level down from states that are not at a leaf.

        Returns:
            The states of the next level, the indices of the forks and of the other states, and the
            features of the forks.
        """
        trees, (nodes, rows, s, n) = self._trees, states
        bit, own_is_lower = self._bit[nodes], is_lower[nodes]
        other_is_lower = trees.goes_lower(self._values[rows + trees.column[nodes]], nodes)
        # A feature of S follows the explained row at every later node, one of N the other row.
        follows_own = (other_is_lower == own_is_lower) | ((s & bit) != 0)
        is_fork = ~follows_own & ((n & bit) == 0)
        forks, others = np.flatnonzero(is_fork), np.flatnonzero(~is_fork)

        goes_lower = np.concatenate(
            [
                own_is_lower[forks],
                other_is_lower[forks],
                np.where(follows_own, own_is_lower, other_is_lower)[others],
            ]
        )
        order = np.concatenate([forks, forks, others])
        below, bit = nodes[order], bit[forks]
        next_s, next_n = s[order], n[order]
        next_s[: len(forks)] |= bit
        next_n[len(forks) : 2 * len(forks)] |= bit
        next_nodes = np.where(goes_lower, trees.lower[below], trees.upper[below])
        next_states = _States(next_nodes, rows[order], next_s, next_n)
        return next_states, forks, others, self._feature[nodes[forks]]

    def _add_up(self, levels: list[_Level], values: FloatArray) -> None:
        """Add the Shapley values of the leaves to those of the features."""
        in_s = in_n = np.zeros(0)
        for level in reversed(levels):
            count, (below_s, below_n) = len(level.forks), (in_s, in_n)
            own, other = slice(count), slice(count, 2 * count)
            credit = below_s[own] + below_n[other]
            values += np.bincount(level.features, credit, minlength=len(values))
            in_s, in_n = np.empty((2, level.size))
            for sums, below, leaf in ((in_s, below_s, level.in_s), (in_n, below_n, level.in_n)):
                sums[level.leaves] = leaf
                sums[level.forks] = below[own] + below[other]
                sums[level.others] = below[2 * count :]


def _number_path_features(trees: Trees, feature: IntArray) -> IntArray:
    """Number the features of each path from 0, in the order in which they occur.

    Args:
        trees: The trees.
        feature: Feature of each node.

    Returns:
        The bit of each node's feature among those of its path.

    Raises:
        UnsupportedGraph: If a path has too many features.
    """
    bits = np.zeros(len(feature), np.int64)
    nodes = trees.roots
    paths = np.full((len(nodes), 1), _FREE)  # the feature of each number
    while (inner := trees.lower[nodes] >= 0).any():
        nodes, paths = nodes[inner], paths[inner]
        is_known = paths == feature[nodes][:, None]
        used = np.count_nonzero(paths != _FREE, axis=1)
        number = np.where(is_known.any(axis=1), is_known.argmax(axis=1), used)
        if number.max() == paths.shape[1]:
            paths = np.hstack([paths, np.full((len(nodes), 1), _FREE)])
        if paths.shape[1] > MAX_PATH_FEATURES:
            raise UnsupportedGraph(
                f"a path of its trees has more than {MAX_PATH_FEATURES} features"
            )
        paths[np.arange(len(nodes)), number] = feature[nodes]
        bits[nodes] = 1 << number
        nodes = np.concatenate([trees.lower[nodes], trees.upper[nodes]])
        paths = np.concatenate([paths, paths])
    return bits

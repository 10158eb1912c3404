"""Compare a candidate with the champion, the version in production, on the same rows."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from pipeline.columns import LABEL
from pipeline.evaluation.datasets import drop_training_rows
from pipeline.evaluation.predictions import SplitPredictions
from pipeline.model.bundle import ONNX, Bundle
from pipeline.model.clusters import compute_clustered_differences, compute_clustered_metrics
from pipeline.settings import Settings
from pipeline.storage.artifacts.base import Interval
from pipeline.storage.lake import Lake

LATENCY_ROWS = 300
"""Number of single rows that each model scores to measure its latency."""


@dataclass(frozen=True, eq=False)
class ChampionComparison:
    """Candidate and champion on the same rows. Measurements are computed on first use.

    Attributes:
        candidate: The candidate on those rows.
        champion: The champion on the same rows.
        notes: Sentences about the choice of the rows.
        has_enough_new_rows: Whether the champion was trained on none of the rows, so that gates
            can judge the differences.
    """

    candidate: SplitPredictions
    champion: SplitPredictions
    notes: tuple[str, ...] = ()
    has_enough_new_rows: bool = True

    @property
    def version(self) -> str:
        """The champion's version in the registry."""
        return str(self.champion.bundle.manifest.version)

    @property
    def is_identical(self) -> bool:
        """Whether both models are the same file with the same threshold."""
        return get_identity(self.candidate.bundle) == get_identity(self.champion.bundle)

    @cached_property
    def candidate_metrics(self) -> Mapping[str, Interval]:
        """The candidate's metrics on these rows."""
        return self._measure(self.candidate)

    @cached_property
    def champion_metrics(self) -> Mapping[str, Interval]:
        """The champion's metrics on these rows."""
        return self._measure(self.champion)

    @cached_property
    def difference(self) -> Mapping[str, Interval]:
        """Each metric, candidate minus champion, on the same rows."""
        return compute_clustered_differences(
            self.candidate.labels,
            self.candidate.predictions,
            self.champion.predictions,
            self.candidate.units,
        )

    @cached_property
    def latency_ratio(self) -> float:
        """Median time to score one row, the candidate's divided by the champion's."""
        candidate, champion = measure_latency_ms([self.candidate, self.champion])
        return candidate / champion

    def _measure(self, model: SplitPredictions) -> Mapping[str, Interval]:
        return compute_clustered_metrics(model.labels, model.predictions, model.units)


def measure_latency_ms(models: Sequence[SplitPredictions]) -> list[float]:
    """Measure how long models take to score one row.

    The models take turns, so that a busy machine slows all of them.

    Args:
        models: The models with the same rows.

    Returns:
        The median time of each model in milliseconds.
    """
    rows = models[0].features
    times: list[list[int]] = [[] for _ in models]
    for index in range(LATENCY_ROWS):
        row = rows[[index % len(rows)]]
        for model, durations in zip(models, times, strict=True):
            start = time.perf_counter_ns()
            model.score(row)
            durations.append(time.perf_counter_ns() - start)
    return [statistics.median(durations) / 1e6 for durations in times]


def get_identity(bundle: Bundle) -> tuple[str, float]:
    """Return what determines a model's answers: the hash of its ONNX file, and its threshold."""
    return bundle.manifest.files[ONNX], bundle.manifest.threshold


def compare_with_champion(
    lake: Lake, settings: Settings, candidate: Bundle, champion: Bundle, test: pd.DataFrame
) -> ChampionComparison:
    """Compare two models on the test rows that the champion was not trained on.

    Args:
        lake: The lake with the gold that the champion was trained on.
        settings: The fewest positive rows that are compared.
        candidate: The candidate.
        champion: The champion.
        test: The candidate's test rows.

    Returns:
        The comparison. If too few positive rows are new to the champion, it uses all test rows,
        which a note explains, and gates do not judge the differences.

    Raises:
        LakeError: If the champion's training data is missing or its hash does not match.
    """
    rows, notes, has_enough = test, tuple[str, ...](), True
    if champion.manifest.lineage.gold != candidate.manifest.lineage.gold:
        rows, notes, has_enough = _drop_rows_known_to_champion(lake, settings, champion, test)
    return ChampionComparison(
        SplitPredictions(candidate, rows),
        SplitPredictions(champion, rows),
        notes,
        has_enough,
    )


def _drop_rows_known_to_champion(
    lake: Lake, settings: Settings, champion: Bundle, test: pd.DataFrame
) -> tuple[pd.DataFrame, tuple[str, ...], bool]:
    """Return the rows to compare on, notes about them, and whether they can be judged."""
    unseen = drop_training_rows(lake, test, champion.manifest.lineage)
    positives = int(unseen[LABEL.name].sum())
    enough = settings.deployment.min_positives <= positives < len(unseen)
    if len(unseen) == len(test):
        return test, (), enough
    version = champion.manifest.version
    consequence = (
        "they are left out of the comparison"
        if enough
        else "without them too few rows are left, so no gate judges the differences"
    )
    note = (
        f"version {version} was trained on {len(test) - len(unseen)} of the {len(test)} test rows; "
        f"{consequence}"
    )
    return (unseen if enough else test), (note,), enough

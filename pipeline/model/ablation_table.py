"""What leaving out sensitive features costs, as a table for people."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.storage.artifacts.training import Ablation

HEADER = ("without", "ROC AUC lost", "result")
"""Columns of the table."""


def tabulate_ablations(ablations: Sequence[Ablation]) -> list[tuple[str, str, str]]:
    """Return the rows of a table with the columns of HEADER."""
    return [
        (", ".join(ablation.features), ablation.roc_auc_cost.signed, ablation.verdict)
        for ablation in ablations
    ]

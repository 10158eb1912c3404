"""What each metric is called and means, for people."""

from __future__ import annotations

from pipeline.columns import LABEL

METRIC_TITLES: dict[str, tuple[str, str]] = {
    "roc_auc": (
        "Ranking (ROC AUC)",
        f"How often a `{LABEL.positive}` row ranks above a `{LABEL.negative}` row: 1 is perfect, "
        "0.5 is chance",
    ),
    "pr_auc": (
        "Precision at all thresholds (PR AUC)",
        f"Mean precision: 1 is perfect, the rate of `{LABEL.positive}` is chance",
    ),
    "recall": ("Recall", f"Fraction of the `{LABEL.positive}` rows that are flagged"),
    "precision": ("Precision", f"Fraction of the flagged rows that are `{LABEL.positive}`"),
    "specificity": (
        "Specificity",
        f"Fraction of the `{LABEL.negative}` rows that are not flagged",
    ),
    "balanced_accuracy": ("Balanced accuracy", "Mean of recall and specificity: 0.5 is chance"),
    "brier": ("Squared error (Brier score)", "Mean squared error of the probability: 0 is perfect"),
}
"""Title and meaning of each metric."""


def get_metric_title(name: str) -> str:
    """Return the title of a metric; its name in words if it has none."""
    title, _ = METRIC_TITLES.get(name, (name.replace("_", " ").capitalize(), ""))
    return title


def get_metric_meaning(name: str) -> str:
    """Return what a metric means; empty if it is not in METRIC_TITLES."""
    _, meaning = METRIC_TITLES.get(name, ("", ""))
    return meaning

"""What each metric is called and means, for people.

The page has the same texts in serving/page/words/en.js.
"""

from __future__ import annotations

METRIC_TITLES: dict[str, tuple[str, str]] = {
    "roc_auc": ("ROC AUC", "How well it ranks: 1 is perfect, 0.5 is chance"),
    "recall": ("Recall", "Fraction of the positive rows that it marks"),
    "precision": ("Precision", "Fraction of the marked rows that are positive"),
    "specificity": ("Specificity", "Fraction of the negative rows that it does not mark"),
    "balanced_accuracy": ("Balanced accuracy", "Mean of recall and specificity: 0.5 is chance"),
    "pr_auc": ("PR AUC", "Mean precision over all thresholds: chance is the positive rate"),
    "brier": ("Brier score", "Mean squared error of its probabilities: lower is better"),
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

"""Settings come from variables with the prefix; wrong ones are errors."""

from __future__ import annotations

import pytest

from pipeline.environment import PREFIX, variables
from pipeline.errors import SettingsError
from pipeline.settings import Settings


def test_defaults() -> None:
    """An empty environment gives the defaults."""
    assert Settings.load({}) == Settings()


def test_the_model_is_named_after_the_title() -> None:
    """The columns file has the title, and the setting replaces it."""
    assert Settings.load({}).mlflow.model_name == "student-performance"
    assert Settings.load({"MLOPS_MLFLOW__NAME": "Own"}).mlflow.model_name == "Own"


def test_field_of_a_section() -> None:
    """The section and the field are joined by two underscores, and the value gets its type."""
    assert Settings.load({"MLOPS_TRAIN__FOLDS": "7"}).train.folds == 7


def test_thresholds_of_features() -> None:
    """A list of pairs becomes a dictionary."""
    drift = Settings.load({"MLOPS_DRIFT__THRESHOLDS": "age=0.01, course=0.2"}).drift
    assert drift.thresholds == {"age": 0.01, "course": 0.2}


@pytest.mark.parametrize(
    ("name", "value", "purpose"),
    [
        ("MIN_RECALL", "0.9", "recall"),
        ("CAPACITY", "0.1", "capacity"),
        ("MISSED_COST", "4", "cost"),
        ("FOLDS", "3", "cost"),
    ],
)
def test_a_number_of_the_threshold_chooses_its_purpose(name: str, value: str, purpose: str) -> None:
    """A recall that was set for an earlier release keeps its effect."""
    assert Settings.load({f"MLOPS_TRAIN__{name}": value}).train.threshold_purpose == purpose


def test_two_purposes_of_the_threshold_are_refused() -> None:
    """Unless one of them is named."""
    both = {"MLOPS_TRAIN__MIN_RECALL": "0.9", "MLOPS_TRAIN__CAPACITY": "0.1"}
    with pytest.raises(SettingsError, match=r"recall and capacity: set MLOPS_TRAIN__THRESHOLD_PUR"):
        Settings.load(both)
    settings = Settings.load({**both, "MLOPS_TRAIN__THRESHOLD_PURPOSE": "recall"})
    assert settings.train.min_recall == 0.9


def test_variables_without_the_prefix_are_ignored() -> None:
    """Only variables with the prefix are settings."""
    assert Settings.load({"TRAIN__FOLDS": "x"}) == Settings()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "MLOPS_TRAIN__FOLD",
            "5",
            "MLOPS_TRAIN__FOLD is not a setting; did you mean MLOPS_TRAIN__FOLDS?",
        ),
        ("MLOPS_XYZZY", "5", r"MLOPS_XYZZY is not a setting; `python -m pipeline settings` lists"),
        ("MLOPS_TRAIN__FOLDS", "five", "MLOPS_TRAIN__FOLDS is 'five': .*integer"),
        ("MLOPS_TRAIN__FOLDS", "1", "MLOPS_TRAIN__FOLDS is '1': .*greater than or equal to 2"),
        ("MLOPS_FEATURES__TEST_FRACTION", "0.75", "leave less than 20 % of the rows to train on"),
        (
            "MLOPS_DEPLOYMENT__LOCK_TIMEOUT_SECONDS",
            "100",
            "^MLOPS_DEPLOYMENT__LOCK_TIMEOUT_SECONDS is 100, but one request to MLflow can take 88",
        ),
    ],
    ids=[
        "misspelt",
        "unknown",
        "not-a-number",
        "out-of-range",
        "contradiction",
        "contradiction-between-sections",
    ],
)
def test_wrong_variables_are_refused(name: str, value: str, message: str) -> None:
    """The message has the variable, its value, and what to do."""
    with pytest.raises(SettingsError, match=message):
        Settings.load({name: value})


def test_every_setting_has_a_description() -> None:
    """Each variable has the prefix, and a description on one line."""
    assert [
        name
        for name, (description, _) in variables(Settings).items()
        if not (name.startswith(PREFIX) and description and "\n" not in description)
    ] == []

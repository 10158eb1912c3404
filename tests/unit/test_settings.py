"""Settings are typed, come from one prefix, and refuse what they do not know with a sentence."""

from __future__ import annotations

import pytest

from pipeline.environment import PREFIX, variables
from pipeline.errors import SettingsError
from pipeline.settings import Settings


def test_defaults_need_no_environment() -> None:
    """An empty environment gives the defaults."""
    assert Settings.load({}) == Settings()


def test_nested_variable() -> None:
    """A section's field is a variable with two underscores, read in its type."""
    assert Settings.load({"MLOPS_TRAIN__FOLDS": "7"}).train.folds == 7


def test_other_variables_are_let_be() -> None:
    """Variables without the prefix are none of ours."""
    assert Settings.load({"TRAIN__FOLDS": "x"}) == Settings()


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
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
            "^MLOPS_DEPLOYMENT__LOCK_TIMEOUT_SECONDS is 100, but one request to MLflow can take 88 s",
        ),
    ],
    ids=[
        "misspelt",
        "unknown",
        "no-number",
        "out-of-range",
        "contradiction",
        "contradiction-between-sections",
    ],
)
def test_refused(name: str, value: str, sentence: str) -> None:
    """A misspelt, unknown, malformed or contradictory variable is named with its value and what to do."""
    with pytest.raises(SettingsError, match=sentence):
        Settings.load({name: value})


def test_every_setting_says_what_it_is() -> None:
    """Each variable has the prefix and a description."""
    assert [
        name
        for name, (description, _) in variables(Settings).items()
        if not (name.startswith(PREFIX) and description)
    ] == []

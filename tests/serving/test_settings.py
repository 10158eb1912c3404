"""The predictor's settings: refused by the predictor when misspelt, ignored by stages."""

from __future__ import annotations

import pytest

from pipeline import settings as pipeline_settings
from pipeline.environment import PREFIX, variables
from pipeline.errors import SettingsError
from serving.settings import RENAMED, PredictorSettings, Settings

OTHERS = {
    "MLOPS_PREDICTOR__MAX_ROWS": "50",
    "MLOPS_PREDICTOR__MAX_ROW": "50",
    "MLOPS_PREDICTOR__POLL_SECONDS": "1",
}
"""The predictor's variables as a stage may get them: good, misspelt, and of an earlier release."""


def test_predictor_reads_its_section_and_those_of_stages() -> None:
    """One environment configures both parts; a comma-separated list becomes a tuple."""
    loaded = Settings.load(
        {
            "MLOPS_PREDICTOR__MAX_ROWS": "50",
            "MLOPS_PREDICTOR__URL": "http://a",
            "MLOPS_PREDICTOR__CORS_ORIGINS": "https://a.example, https://b.example",
            "MLOPS_GATES__MAX_ONNX_DIFFERENCE": "0.5",
        }
    )
    assert (loaded.predictor.max_rows, loaded.predictor.url) == (50, "http://a")
    assert loaded.predictor.cors_origins == ("https://a.example", "https://b.example")
    assert loaded.gates.max_onnx_difference == 0.5


def test_stages_ignore_variables_of_the_predictor() -> None:
    """Stages read what they need of the predictor, and accept all its other variables."""
    loaded = pipeline_settings.Settings.load(OTHERS | {"MLOPS_PREDICTOR__URL": "http://a"})
    assert loaded.predictor.url == "http://a"
    assert set(type(loaded.predictor).model_fields) == {
        *("url", "api_key", "require_record", "metrics_port")
    }


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "MLOPS_PREDICTOR__MAX_ROW",
            "MLOPS_PREDICTOR__MAX_ROW is not a setting; did you mean MLOPS_PREDICTOR__MAX_ROWS?",
        ),
        (
            "MLOPS_PREDICTOR__POLL_SECONDS",
            "was renamed to MLOPS_PREDICTOR__POLL_INTERVAL_SECONDS: set that instead",
        ),
        ("MLOPS_DRIFT__SHARE", "was renamed to MLOPS_DRIFT__MAX_FALSE_POSITIVE_RATE"),
        ("MLOPS_PREDICTOR__CACHE_SIZE", "MLOPS_PREDICTOR__CACHE_SIZE is '-1'"),
    ],
)
def test_predictor_refuses(name: str, message: str) -> None:
    """A misspelt, renamed or malformed variable is an error that names it."""
    with pytest.raises(SettingsError, match=message):
        Settings.load({name: "-1"})


def test_stages_refuse_a_misspelt_section() -> None:
    """Only the predictor's own prefix is ignored."""
    with pytest.raises(SettingsError, match="MLOPS_PREDICTR__URL is not a setting"):
        pipeline_settings.Settings.load({"MLOPS_PREDICTR__URL": "http://a"})


def test_every_setting_has_a_description() -> None:
    """Each variable of stages and predictor has the prefix and a description on one line."""
    listed = variables(Settings)
    assert set(variables(pipeline_settings.Settings)) < set(listed)
    for name, (description, _) in listed.items():
        assert name.startswith(PREFIX)
        assert description
        assert "\n" not in description


def test_renamed_variables_point_to_existing_ones() -> None:
    """Each old name leads to a field of the section."""
    section = f"{PREFIX}PREDICTOR__"
    fields = {f"{section}{field.upper()}" for field in PredictorSettings.model_fields}
    assert set(RENAMED.values()) <= fields
    assert not RENAMED.keys() & fields

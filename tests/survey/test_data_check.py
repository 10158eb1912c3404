"""What the data check finds in the survey file, whose path TEST_SURVEY has."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline.data.cells import parse_csv
from pipeline.data.contract import validate_rows
from pipeline.data_check.check import check_data
from pipeline.model.arrays import feature_array, label_array
from pipeline.settings import Settings
from pipeline.storage.lake import sha256_hex

if "TEST_SURVEY" in os.environ:

    def test_the_survey_file() -> None:
        """Its label depends on the order, its best rule has the ceiling of its note as ROC AUC."""
        data = Path(os.environ["TEST_SURVEY"]).read_bytes()
        valid, _ = validate_rows(parse_csv(data))
        found = check_data(feature_array(valid), label_array(valid), Settings(), sha256_hex(data))
        checks = {finding.check for finding in found.findings}
        assert checks - {"positives"} == {"order_auc", "runs"}
        assert found.order is not None
        assert found.order.auc.value == pytest.approx(0.982, abs=0.001)
        assert found.rule is not None
        assert found.rule.rule == "sleep_hours >= 6.1 or review_hours < 2"
        assert found.note is not None
        assert f"ROC AUC of {found.rule.auc:.4f} on new rows" in found.note

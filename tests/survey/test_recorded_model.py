"""Training gives the models that it has given since they were recorded.

A difference means that the same data now gives another model. Record new values only if the change
is intended; new versions of scikit-learn, skl2onnx or NumPy can change them too. The last change:
the simplest candidate within one standard error is selected, over repeated folds, and the
threshold flags the rows above the average risk.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest


@dataclass(frozen=True)
class Recorded:
    """What a training gave.

    Attributes:
        candidate: Name of the selected candidate.
        threshold: The model's threshold.
        onnx_sha256: Hash of the ONNX graph. None for a logistic regression: its coefficients
            depend on the processor, because the BLAS library chooses its kernels by it.
        probabilities: Probabilities of the bundle's examples.
        tolerance: Difference in probability and threshold that processors explain.
    """

    candidate: str
    threshold: float
    onnx_sha256: str | None
    probabilities: list[float]
    tolerance: float = 1e-9


QUICK: dict[str, Any] = {"train": {"folds": 2}, "ingest": {"source": "sample:1000"}}
"""Settings with which a training takes seconds."""

QUICKLY_TRAINED = Recorded(
    candidate="logistic, 5 bins, C 0.1",
    threshold=0.046585,
    onnx_sha256=None,
    probabilities=[
        *(0.003013484974, 0.004056799345, 0.300976749706, 0.014582311715, 0.032640816762),
        *(0.006644816285, 0.443773131506, 0.031876901883, 0.005243841190, 0.016612353782),
        *(0.029463461314, 0.003639816452, 0.019127196537, 0.020374971201, 0.028042089958),
        *(0.041778557764, 0.006889153519, 0.063388949280, 0.041778557764, 0.078204821715),
        *(0.297966545899, 0.028790179232),
    ],
    tolerance=1e-5,
)
"""With the settings QUICK."""

TRAINED_ON_SAMPLE = Recorded(
    candidate="logistic, 5 bins, C 0.1",
    threshold=0.047385,
    onnx_sha256=None,
    probabilities=[
        *(0.002598700386, 0.003521548037, 0.292432810136, 0.013030997010, 0.029736840509),
        *(0.005832131596, 0.436978948040, 0.029023887942, 0.004578103855, 0.014890394545),
        *(0.026774527497, 0.003151978466, 0.017201653280, 0.018351332923, 0.025452068163),
        *(0.038297855068, 0.006051508598, 0.058742304632, 0.038297855068, 0.072886768596),
        *(0.289408666545, 0.026147881829),
    ],
    tolerance=1e-5,
)
"""On `sample:1000`, with the default settings."""

TRAINED_ON_SURVEY = Recorded(
    candidate="boosting, 5 bins",
    threshold=0.048769,
    onnx_sha256="39733a7570b56994c964e09baf9acf3bb8ca07742fcfb443d8f0b3386ff36e19",
    probabilities=[
        *(0.010833630804, 0.066556158128, 0.145839845541, 0.064856170099, 0.009356017485),
        *(0.022362493097, 0.004591312373, 0.167616233916, 0.096647151233, 0.005453852556),
        *(0.009898054803, 0.226286661492, 0.063246045109, 0.026692778502, 0.049501286504),
        *(0.049501286504, 0.006145241175, 0.116375545228, 0.049501286504, 0.065773373047),
        *(0.104629020849, 0.092481142594),
    ],
)
"""On the survey file, with the default settings."""


def assert_equal(folder: Path, sections: dict[str, Any], recorded: Recorded) -> None:
    """Train in a new process, as the stage does, and compare with what was recorded."""
    command = [sys.executable, "-m", "tests.support.training", str(folder), json.dumps(sections)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    trained = json.loads(done.stdout)
    assert trained["candidate"] == recorded.candidate
    assert trained["threshold"] == pytest.approx(recorded.threshold, abs=recorded.tolerance)
    expected = pytest.approx(recorded.probabilities, abs=recorded.tolerance)
    assert trained["probabilities"] == expected
    served = pytest.approx(recorded.probabilities, abs=recorded.tolerance + 1e-6)
    assert trained["served"] == served
    assert recorded.onnx_sha256 in (trained["onnx_sha256"], None)


@pytest.mark.timeout(600)
def test_few_folds_give_the_recorded_model(tmp_path: Path) -> None:
    """The generated sample, with the settings QUICK."""
    assert_equal(tmp_path, QUICK, QUICKLY_TRAINED)


@pytest.mark.timeout(600)
def test_the_default_settings_give_the_recorded_model(tmp_path: Path) -> None:
    """The model of the survey file, or of a generated sample where TEST_SURVEY names no file."""
    survey = os.environ.get("TEST_SURVEY")
    recorded = TRAINED_ON_SURVEY if survey else TRAINED_ON_SAMPLE
    assert_equal(tmp_path, {"ingest": {"source": survey or "sample:1000"}}, recorded)

"""Training gives the models that it has given since they were recorded.

A difference means that the same data now gives another model. Record new values only if the change
is intended; new versions of scikit-learn, skl2onnx or NumPy can change them too.
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
    candidate="forest, 5 bins, leaf 10, balanced weights",
    threshold=0.030127,
    onnx_sha256="5476f386676283f30b5fee9dcd58c7f00fb6646a435c3016c5e7763fbe8c2bf2",
    probabilities=[
        *(0.006207609664, 0.006207609664, 0.198601490221, 0.007030951387, 0.012459779142),
        *(0.006207609664, 0.354384374895, 0.023914302284, 0.006207609664, 0.006207609664),
        *(0.040104037605, 0.006207609664, 0.007359689999, 0.006777055589, 0.007748996850),
        *(0.007748996850, 0.006207609664, 0.008971066770, 0.007748996850, 0.034307787105),
        *(0.310514714125, 0.043244630986),
    ],
)
"""With the settings QUICK."""

RECORDED = {
    "sample:1000": Recorded(
        candidate="logistic, 5 bins, C 0.1",
        threshold=0.054766,
        onnx_sha256=None,
        probabilities=[
            *(0.002598691604, 0.003521535054, 0.292434112178, 0.013030982355, 0.029736948398),
            *(0.005832119050, 0.436981751017, 0.029023960862, 0.004578092413, 0.014890396895),
            *(0.026774605640, 0.003151967934, 0.017201641347, 0.018351290571, 0.025452058116),
            *(0.038297867693, 0.006051496085, 0.058742528057, 0.038297867693, 0.072886989174),
            *(0.289410117742, 0.026147878170),
        ],
        tolerance=1e-5,
    )
}
"""By source, with the default settings."""

if SURVEY := os.environ.get("TEST_SURVEY"):  # path of the survey file
    RECORDED[SURVEY] = Recorded(
        candidate="forest, 5 bins, leaf 10, balanced weights",
        threshold=0.032381,
        onnx_sha256="95807c41d1194fc6463567dd2f131becc095d3ffed7546ee8bb03de7226d73bc",
        probabilities=[
            *(0.005927561681, 0.017704300888, 0.158620367595, 0.080932248385, 0.005927561681),
            *(0.005927561681, 0.005927561681, 0.269719137530, 0.060585696684, 0.005927561681),
            *(0.005927561681, 0.134604246188, 0.117872058156, 0.017192043402, 0.105416615093),
            *(0.107309996280, 0.005927561681, 0.171830040827, 0.107309996280, 0.123049963831),
            *(0.185076090397, 0.126890355273),
        ],
    )


def assert_equal(folder: Path, sections: dict[str, Any], recorded: Recorded) -> None:
    """Train in a new process, as the stage does, and compare with what was recorded.

    In a process that has run other tests, the last bits of a coefficient can differ, and with them
    the hash of the graph.
    """
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
    """Two folds select another candidate than the default."""
    assert_equal(tmp_path, QUICK, QUICKLY_TRAINED)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("source", RECORDED)
def test_the_default_settings_give_the_recorded_model(tmp_path: Path, source: str) -> None:
    """The model of the generated sample, and that of the survey file if it is there."""
    assert_equal(tmp_path, {"ingest": {"source": source}}, RECORDED[source])

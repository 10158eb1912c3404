# mypy: ignore-errors
# Runs in a separate environment with its packages.
"""Print NannyML's estimate for the predictions on standard input, as JSON.

The probabilities are calibrated already, so NannyML must not calibrate them again.
"""

import json
import sys

import nannyml
import pandas as pd
from nannyml.calibration import NoopCalibrator

METRICS = ["recall", "precision", "roc_auc"]

data = json.load(sys.stdin)
frame = pd.DataFrame({"probability": data["probability"]})
frame["predicted"] = (frame["probability"] >= data["threshold"]).astype(int)
estimator = nannyml.CBPE(
    y_pred_proba="probability",
    y_pred="predicted",
    y_true="label",
    problem_type="classification_binary",
    metrics=METRICS,
    chunk_size=len(frame),
    calibrator=NoopCalibrator(),
)
# The labels of the reference set only NannyML's alert thresholds.
estimator.fit(frame.assign(label=[index % 2 for index in range(len(frame))]))
found = estimator.estimate(frame).filter(period="analysis").to_df()
json.dump({name: float(found[name]["value"].iloc[0]) for name in METRICS}, sys.stdout)

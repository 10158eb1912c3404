# mypy: ignore-errors
# Runs in a separate environment with its packages.
"""Print shap's interventional values of the trees and rows on standard input, as JSON.

`seconds` is the CPU time per row.
"""

import json
import sys
import time

import numpy as np
import shap

given = json.load(sys.stdin)
trees = [
    {
        "children_left": np.array(tree["lower"]),
        "children_right": np.array(tree["upper"]),
        "children_default": np.array(tree["blank"]),
        "features": np.array(tree["feature"]),
        "thresholds": np.array(tree["threshold"]),
        "values": np.array(tree["value"])[:, None],
        "node_sample_weight": np.ones(len(tree["value"])),
    }
    for tree in given["trees"]
]
background, rows = (np.array(given[name], float) for name in ("background", "rows"))
explainer = shap.TreeExplainer(
    {"trees": trees}, data=background, feature_perturbation="interventional"
)
began = time.process_time()
values = explainer.shap_values(rows, check_additivity=False)
seconds = (time.process_time() - began) / len(rows)
base = float(np.ravel(explainer.expected_value)[0])
json.dump({"base": base, "values": values.tolist(), "seconds": seconds}, sys.stdout)

"""Training and using a model: candidates, selection, calibration, export to ONNX, metrics, bundle.

Begin with selection.py for how a model is chosen, bundle.py for what is stored of it.
"""

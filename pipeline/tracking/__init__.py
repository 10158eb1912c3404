"""MLflow: runs and the model registry.

Start with registry.py, which the stages use.
"""

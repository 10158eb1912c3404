"""MLflow: the model registry and the logging of runs.

Begin with registry.py.
"""

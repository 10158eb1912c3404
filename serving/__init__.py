"""The predictor: serves the production model over HTTP.

Begin with service.py, which holds the parts of the process, and app.py, which wires the routes.
"""

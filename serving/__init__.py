"""The predictor: the production model over HTTP."""

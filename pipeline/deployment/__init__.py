"""Moving the `production` alias: the promotion log, the moves, and the client of the live predictors.

Begin with promotion_log.py.
"""

"""Moves the `production` alias, logs every move, and queries the running predictors.

Begin with moves.py.
"""

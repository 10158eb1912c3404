"""Judging a model: gates, the values they judge, behavioral checks, plots and the model card.

Begin with gates.py.
"""

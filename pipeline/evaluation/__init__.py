"""Judging a model: measurements, gates, the comparison with the champion, and the model card.

Begin with judge.py, which holds a model to the rows of pipeline/gate_table.py.
"""

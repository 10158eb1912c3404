"""Scoring a list of rows in a batch, as the predictor scores requests.

Begin with list_parts.py, which divides a list, and part_scores.py, which scores a part.
"""

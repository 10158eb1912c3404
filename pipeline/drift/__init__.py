"""Drift detection: which rows are compared, by which method, and the reports of it.

Begin with report.py.
"""

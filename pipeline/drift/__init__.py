"""Drift detection: which rows are compared, by which methods, and the reports about them.

Begin with report.py. methods.py is the table of methods.
"""

"""Drift detection: which rows are compared, by which methods, and the reports about them.

Begin with outcome.py. methods.py is the table of methods, report.py the document.
"""

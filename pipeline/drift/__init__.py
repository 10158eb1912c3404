"""Drift detection: which rows are compared, by which methods, and the reports about them.

Begin with comparison.py. methods.py is the table of methods, report.py the document.
"""

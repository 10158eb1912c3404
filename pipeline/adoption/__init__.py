"""Propose a columns file for a table.

table.py reads a CSV file as text, label.py decides which rows are positive, judge.py decides what
each column is, and write.py writes the columns file. `adopt` (pipeline/commands/adopt.py) calls
them in this order.
"""

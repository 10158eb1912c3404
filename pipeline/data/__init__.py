"""Raw survey files: reading and checking them, and generating synthetic ones.

Begin with raw_csv.py.
"""

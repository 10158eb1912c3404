"""Raw survey files: fetching, checking and generating them.

Begin with sources.py.
"""

"""Raw files: fetching, checking, reading and generating them.

Begin with sources.py, which fetches a file, and contract.py, which reads its rows.
"""

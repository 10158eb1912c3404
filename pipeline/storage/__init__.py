"""The data lake: objects by key on disk or S3, their types, and tables as Parquet.

Begin with lake.py.
"""

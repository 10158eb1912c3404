"""Typed models of the JSON documents that pass between stages, by topic.

Read and write them with `Lake.read_model` and `Lake.write_model`, at the keys of layout.py. Begin
with base.py.
"""

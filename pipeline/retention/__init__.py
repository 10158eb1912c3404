"""What is kept in the lake and in MLflow, until when and why, and the deletion of the rest.

Begin with rules.py.
"""

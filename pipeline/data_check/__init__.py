"""What can be learned from a table before a model is trained on it.

Begin with check.py. The measurements are pure functions of features and labels.
"""

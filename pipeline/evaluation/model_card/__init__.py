"""The model card: its sections and its figures.

Begin with card.py.
"""

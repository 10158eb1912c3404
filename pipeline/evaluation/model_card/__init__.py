"""The model card: its sections, its figures, and how it is rendered as Markdown and HTML.

Begin with card.py.
"""

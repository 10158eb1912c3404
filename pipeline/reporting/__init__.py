"""HTML pages for people: one skeleton and one palette for every report.

Begin with templates.py. The templates of a report are stored next to the module that renders them.
"""

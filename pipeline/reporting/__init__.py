"""Pages for people: one skeleton, one palette and one kind of document for every report.

Begin with document.py. A template that only one report needs is stored next to the module that
renders it.
"""

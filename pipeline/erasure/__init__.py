"""Find and erase what is held of a person.

Begin with search.py; erase.py removes what it finds.
"""

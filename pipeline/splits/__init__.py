"""Split a table of any size into train, validation and test, part by part.

Begin with plan.py, which decides where each row goes. Only the columns that decide this are read
for it: the label, the term, and the columns whose rows stay together. write.py then writes the
parts of gold.
"""

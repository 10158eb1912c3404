"""The columns file: a YAML file that describes a table, its label and what one row is.

model.py has the classes of its contents, with the features in kinds.py and the person, the term and
the groups in roles.py. reader.py reads a file and reports every error in it with its line,
yaml_tree.py parses YAML, and checks.py checks what no single field can tell. pipeline/columns.py
holds the contents of the file that is in use.
"""

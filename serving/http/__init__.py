"""HTTP below the routes: connections, request bodies, rows, responses and errors.

Begin with requests.py, which turns a body into rows, and rows.py, which describes a row.
"""

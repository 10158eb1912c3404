"""Work on a table by parts: in threads of the stage's process, or on Dask workers.

Begin with parts.py. A part's function is in the package whose rows it handles, not here.
"""

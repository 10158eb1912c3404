"""Commands for people: one module per `python -m pipeline COMMAND` that is not a stage.

Arguments are parsed here; the other packages accept typed values. Begin with run.py, the whole life
cycle on one machine.
"""

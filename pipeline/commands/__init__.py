"""Commands for people: one module per `python -m pipeline COMMAND` that is not a stage.

Argument parsing ends here; the packages below take typed values. Begin with run.py, the whole life cycle on one machine.
"""

"""The served model: loading it, following the registry, scoring, explaining.

Begin with updater.py, which follows the `production` alias.
"""

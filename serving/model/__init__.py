"""The served model: polling the registry, loading, scoring, explaining.

Begin with updater.py, which follows the `production` alias.
"""

"""The routes, a module for each audience."""

"""The HTTP layer: requests in, responses and problems out, below the routes.

Begin with front.py, the outermost layer.
"""

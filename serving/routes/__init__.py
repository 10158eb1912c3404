"""The routes, one module per audience. Begin with predict.py."""

"""Train, export, store and measure models.

Start with training.py for how a model is trained and bundle.py for how it is stored.
"""

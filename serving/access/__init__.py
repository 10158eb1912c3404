"""Who may send predictions: API keys and their limits. Begin with keyring.py."""

"""Who may send requests: API keys, sessions, tokens of single sign-on. Begin with keyring.py."""

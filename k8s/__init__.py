"""The platform on a kind cluster of this machine: `make up`, `make urls`, `make down`."""

"""The stages that take raw survey rows to a production model."""

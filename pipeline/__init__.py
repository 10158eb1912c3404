"""Stages and commands that turn raw survey rows into a monitored model in production."""

"""Checkpoints in upstream's format: what the project ships, builds, or tells you how to get."""

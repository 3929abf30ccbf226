"""Checkpoint directories in upstream's format, read strictly."""

"""Blocks of PCM on their way to the listener: joined, and trimmed where speech was cut off."""

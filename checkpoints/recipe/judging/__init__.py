"""Judges of speech: recognisers, voices, pitch, and a loss that hears as a recogniser does."""

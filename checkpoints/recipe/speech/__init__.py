"""The corpus: its sentences, who speaks them, and when each character sounds."""

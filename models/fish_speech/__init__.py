"""The ensemble: text and a voice in, speech out."""

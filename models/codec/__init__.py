"""Layers of the causal codec that the reference-encoder and the VQ-decoder share, with explicit streaming state."""

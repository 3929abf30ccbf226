"""Text and reference codes in, codes out: the autoregressive stage."""

"""VQ-decoder: codes to PCM, streamed exactly, concurrent streams in one batch."""

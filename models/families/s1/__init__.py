"""OpenAudio S1: the checkpoints that Fish Speech 0.1.0 calls dual_ar."""

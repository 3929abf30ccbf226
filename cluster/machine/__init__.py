"""One machine: its hardware, its load, its memory."""

"""Routes about the server itself: its health, its machines, its memory."""

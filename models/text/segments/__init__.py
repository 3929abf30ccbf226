"""Where a text may be cut, and how it becomes segments."""

"""Text before it is spoken: what may be said, how numbers are read, where to split."""

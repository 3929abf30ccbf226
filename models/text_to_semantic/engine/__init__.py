"""Continuous batching: the scheduler (pure) and the thread that owns the tensors."""

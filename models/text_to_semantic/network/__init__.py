"""The slow and fast transformers in torch."""

"""The networks as they are trained, and the sequences the language model learns from."""

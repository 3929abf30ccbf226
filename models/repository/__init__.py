"""The model repository: one config.yaml beside each stage's code, and one for the ensemble, in Triton's terms."""

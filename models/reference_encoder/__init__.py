"""The reference-encoder stage: a recording becomes codes."""

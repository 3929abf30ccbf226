"""Model families: one folder each, with all that tells a family from the others."""

"""Wire formats: each file maps one protocol to `SynthesisRequest` and lists its routes."""

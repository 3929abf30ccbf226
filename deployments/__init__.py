"""Ray Serve deployments and HTTP: what carries the models to people."""

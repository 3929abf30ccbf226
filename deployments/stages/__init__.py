"""The three stages as Ray Serve deployments, and how they are reached."""

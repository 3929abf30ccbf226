"""The front door: what every connection passes, and the replica that holds it."""

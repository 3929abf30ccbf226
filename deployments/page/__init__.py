"""The web page at /: speak, keep voices, look at the machines."""

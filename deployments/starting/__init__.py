"""One command from a configuration file to a server: what can be known is checked first, then Ray starts."""

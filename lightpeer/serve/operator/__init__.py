"""Whoever runs a server: what they may choose, what they are told, and how the command prints that."""

"""Bounds on what others may cost a server: who may listen, which clients are served, and when."""

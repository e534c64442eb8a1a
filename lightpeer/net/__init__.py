"""The seam to the outside world, and the real one: sockets, TLS, names, the local network."""

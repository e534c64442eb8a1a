"""The seam to the world, and the real one: sockets, TLS, names, the local network."""

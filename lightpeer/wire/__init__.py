"""The thin trio shell around the cores: streams, sockets, and the seam between them and the world."""

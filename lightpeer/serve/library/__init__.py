"""The imported tracks on disk: the library, its index, and how tracks are read."""

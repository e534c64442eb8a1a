"""A track as the network knows it: its uri, its manifest, the tables of its segments."""

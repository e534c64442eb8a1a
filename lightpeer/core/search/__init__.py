"""Searches: the walks of a query, its hits, and the choice of one to play."""

"""Searches: how a query walks, what hits are worth, which of them is played."""

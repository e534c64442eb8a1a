"""lightpeer: a small-footprint client of loudp2p."""

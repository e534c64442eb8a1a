"""A queue that may be changed while it plays: its entries, the order in which they are played, its modes."""

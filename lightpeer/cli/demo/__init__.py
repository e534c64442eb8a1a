"""A whole network on one machine, with three tracks of its own, to see and hear lightpeer work."""

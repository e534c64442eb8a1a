"""The rules on who may listen: the lists, and the watch on them."""

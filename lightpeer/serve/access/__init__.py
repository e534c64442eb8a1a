"""The access rules: the operator's lists, and the watch on them."""

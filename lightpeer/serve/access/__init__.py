"""Who may listen, as it is in force: the lists, and the watch that is kept on them."""

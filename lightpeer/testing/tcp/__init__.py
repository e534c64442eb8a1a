"""A simulated TCP: its streams, their sending and receiving halves, and the timer."""

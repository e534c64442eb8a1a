"""What a listener is willing to pay for data: profiles, the bytes used by day, and what is left of a cap."""

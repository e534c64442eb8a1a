"""What leaves: all UDP streams, the uplink they share, the segments they read."""

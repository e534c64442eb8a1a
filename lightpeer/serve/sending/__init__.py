"""All that a server sends of audio: the UDP streams, the uplink they share, the segments they read."""

"""A server's place in the network: its neighbours, its meetings, and the walks that it passes on."""

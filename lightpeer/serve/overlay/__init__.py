"""A server's place in the network: whom it meets, who knows it, walks that pass on."""

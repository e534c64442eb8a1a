"""The local network: DNS messages, the service that peers are found by, and both ends of multicast DNS."""

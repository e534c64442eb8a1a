"""The network of servers in simulation: what its membership and its search do at scale, and under attack."""

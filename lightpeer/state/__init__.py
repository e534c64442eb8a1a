"""The files between runs: the key, the peers, the rates of networks."""

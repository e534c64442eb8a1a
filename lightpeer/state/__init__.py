"""The files that are kept between runs: the key, the peers, the rates of networks, what was heard."""

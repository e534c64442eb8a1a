"""One track from several peers: the shell around the cores of segments, sources and rate."""

"""The network as one peer sees it: the peer cache, the view, and our own address."""

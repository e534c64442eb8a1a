"""The speaker on a simulated network: a peer with music, the speaker, and remote controls around it."""

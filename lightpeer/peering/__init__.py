"""loudp2p between two peers: sealed calls, kept connections, how a track is opened."""

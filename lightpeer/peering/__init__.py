"""loudp2p between two peers: sealed calls, kept connections, and opening tracks."""

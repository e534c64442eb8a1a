"""MPD's protocol: what real clients send, and what MPD answers to it."""

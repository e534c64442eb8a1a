"""The player: a queue of tracks, the deck that decodes one, and what --stats tells of it."""

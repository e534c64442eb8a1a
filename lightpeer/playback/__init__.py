"""The player: a queue of tracks, the decks that decode them, the sound, and statistics."""

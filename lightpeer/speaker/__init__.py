"""The speaker: a player without a screen, which remote controls drive."""

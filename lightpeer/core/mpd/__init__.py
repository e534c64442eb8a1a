"""The protocol of MPD, by which remote controls drive a player: lines, filters, and what commands answer."""

"""What to fetch next of a track, and in which rendition: policies of playback, and what they see."""

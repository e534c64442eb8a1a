"""Which segment, in which rendition, and when: assembly, buffer, playout and adaptation."""

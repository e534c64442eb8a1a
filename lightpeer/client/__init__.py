"""The light client: finds tracks and peers, opens what it found, fetches it into files."""

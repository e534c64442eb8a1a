"""What `bench.link` compares: a track, the programs that carry it, and what is measured of each."""

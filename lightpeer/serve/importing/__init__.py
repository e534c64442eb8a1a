"""From a folder of music to tracks: finding, decoding, encoding, cutting."""

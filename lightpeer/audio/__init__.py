"""From verified bytes to sound: demux, decode, sinks. Nothing here knows of the network."""

"""From verified bytes to sound: demux, decode, sinks. Nothing here knows the network."""

"""What a server lets others cost it: who may listen, who gets in, whose turn it is."""

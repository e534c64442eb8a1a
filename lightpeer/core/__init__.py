"""The protocol's logic: no sockets, no clock, no entropy, no files, no trio.

A core is driven with five verbs: it receives bytes, gives the data to send,
names its next deadline, handles the timeout, and gives its next event. The
time (`now`, seconds, monotonic) and entropy are arguments.
"""

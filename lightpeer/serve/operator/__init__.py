"""The operator's side of a server: settings, events, and how the command prints them."""

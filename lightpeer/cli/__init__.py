"""The `lightpeer` command."""

"""The lists that an operator writes: read fast, kept small, however long."""

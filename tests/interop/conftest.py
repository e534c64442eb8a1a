"""The generated code has names that begin with test, as its service does."""

collect_ignore = ["pb"]

"""Tools for tasks that trio leaves to its users: nurseries, races, supervision, worker threads."""

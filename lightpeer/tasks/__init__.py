"""What trio leaves to its users: nurseries, races, supervision, worker threads."""

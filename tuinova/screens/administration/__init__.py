"""What stands beside servers: groups, quotas, usage, host aggregates."""

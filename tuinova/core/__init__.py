"""The engine: Nova's rules, its records and the services that carry requests out."""

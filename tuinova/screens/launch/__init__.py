"""The launch wizard: a page a part of a server, what was chosen in one draft, and the command that does the same."""

"""The one error that the builder shows to its user."""


class BuildError(Exception):
    """The guest can't be built here; the message says why and what to do."""

"""Builds the demo guest's images from the distribution's packages, as any user."""

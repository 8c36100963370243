"""The volumes' room: volumes, their snapshots, their types."""

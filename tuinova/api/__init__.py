"""The REST face: Nova's routes, Glance's and Keystone's beside them, and tuinova's own."""

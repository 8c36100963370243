"""The command line: a module a noun, a function a verb, `openstack`'s grammar, columns and formats."""

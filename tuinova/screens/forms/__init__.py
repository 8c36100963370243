"""The dialogs of the actions that need to know more than which servers: a module a family, imported when opened."""

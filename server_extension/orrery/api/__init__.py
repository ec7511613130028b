"""The REST API: routes made from the kinds' declarations, and the few special ones."""

"""Notebooks at JupyterHub: its API as the platform uses it, and what it says of all servers, again and again."""

"""Orrery for a team on one machine. Settings by environment: see docs/reference/configuration.md."""

from orrery_hub import configure

c = get_config()  # noqa: F821  # pyright: ignore
configure(c)

# Whatever JupyterHub can do may be set here, for instance:
# c.OrreryAuthenticator.open_signup = False       # an administrator allows each account
# c.JupyterHub.base_url = "/ml/"                  # before configure(c)

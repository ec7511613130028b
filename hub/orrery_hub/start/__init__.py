"""What runs before a notebook's server, at every start: `python -P -m orrery_hub.start -- jupyterhub-singleuser ...`.

It runs the scripts of `$ORRERY_DATA_DIR/cont-init.d`, sets where environments and caches are kept, and becomes the
server. On one machine the spawner puts it before the server; in a container it is the image's first program, as root,
and `--user` gives up root before the server. Standard library only, and it needs nothing of the rest of the hub.
"""

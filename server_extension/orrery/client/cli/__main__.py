"""`python -m orrery.client.cli`, where the script `orrery` is not on the path."""

from orrery.client.cli import main

main()

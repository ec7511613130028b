"""`python -m orrery` is `orrery`: for whoever has to name the interpreter."""

from orrery.client.cli import main

if __name__ == "__main__":
    main()

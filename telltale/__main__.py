"""`python -m telltale` is `telltale`."""

from telltale.cli import main

if __name__ == "__main__":
    raise SystemExit(main())

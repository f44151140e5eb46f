"""The GPU dashboard: `board.py` lays it out, each other module holds one of its rows."""

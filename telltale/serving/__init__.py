"""What every HTTP server of Telltale shares: the address, the signals, the limits of its connections, the host names
that it is asked under, the health and metrics pages.

All but `asgi` and `bounded`, which need uvicorn, import the standard library only, so that a GPU node can use them.
"""

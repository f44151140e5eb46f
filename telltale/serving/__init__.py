"""What every HTTP server of Telltale shares: the address, the signals, the health and metrics pages.

`listen` and `pages` import the standard library only, so that a GPU node can use them; `asgi` needs uvicorn.
"""

"""How the emulator is served: without what uvicorn would add or interpret by itself."""

import uvicorn
from starlette.types import ASGIApp


def server_config(app: ASGIApp, *, grace: int = 1) -> uvicorn.Config:
    """For a CloudFront app. Shutting down gives running requests `grace` seconds."""
    return uvicorn.Config(
        app,
        http="h11",  # keeps the raw path as it came
        loop="asyncio",
        ws="none",
        lifespan="on",
        # The client address is the connection's, whatever X-Forwarded-For claims.
        proxy_headers=False,
        server_header=False,
        date_header=False,
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=grace,
    )

"""The page of `make serve`: every message of the chain, as it passes.

It is served to this machine's browsers only. `app.py` is what they get, `buttons.py`
what they can press, `feed.py` what happens meanwhile.
"""

from .server import serving

__all__ = ["serving"]

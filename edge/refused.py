"""Why a bundle is not built."""


class BuildRefused(Exception):
    """The message says what to set or to change."""

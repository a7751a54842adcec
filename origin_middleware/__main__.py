"""python -m origin_middleware: the same as the command `origin-middleware`."""

import sys


def main() -> None:
    """The entry point of the command. It says what is missing, without a traceback."""
    try:
        from .command import run  # noqa: PLC0415 - it needs the extra redis
    except ImportError as missing:
        sys.stderr.write(f"origin-middleware: {missing}\n")
        sys.exit(2)
    run()


if __name__ == "__main__":
    main()

"""python -m origin_middleware: the same as the command `origin-middleware`."""

from .command import run

if __name__ == "__main__":
    run()

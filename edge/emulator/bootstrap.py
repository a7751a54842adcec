"""What an execution environment runs: it starts the runtime, which runs the handler.

Started as `python -ISB bootstrap.py FOLDER MODULE` in the unpacked bundle: isolated,
because Lambda has the standard library, its runtime and the bundle, and no more. The
runtime is the module of that name in FOLDER. Standard output is the function's log.
Standard input is a pipe that ends with the emulator, and then this process ends.
"""

import fcntl
import importlib
import os
import sys
import threading


def main(folder: str, runtime: str) -> None:
    _end_with_the_emulator()
    sys.path.insert(0, os.environ["LAMBDA_TASK_ROOT"])
    sys.path.append(folder)
    importlib.import_module(runtime).main([sys.argv[0], os.environ["_HANDLER"]])


def _end_with_the_emulator() -> None:
    # Linux ends a process at SIGIO, also one that holds the interpreter's lock for
    # ages. Other systems ignore the signal; there a thread does it.
    fcntl.fcntl(0, fcntl.F_SETOWN, os.getpid())
    flags = fcntl.fcntl(0, fcntl.F_GETFL)
    fcntl.fcntl(0, fcntl.F_SETFL, flags | os.O_ASYNC)
    threading.Thread(target=_wait_for_the_end, daemon=True).start()


def _wait_for_the_end() -> None:
    os.read(0, 1)
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])

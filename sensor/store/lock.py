"""One writer a store: an advisory lock on a file that holds the writer's process id. Readers never take it."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sensor.errors import StoreError

_FILE_MODE = 0o640


class WriterLock:
    """Held from construction until `release`, or until the process ends, however it ends.

    Raises: StoreError when another process holds it, or when the file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _FILE_MODE)
        except OSError as error:
            raise StoreError(f"cannot open {path} for writing: {error.strerror}") from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.read(self._descriptor, 32).decode("ascii", "replace").strip()
            os.close(self._descriptor)
            who = f"process {holder}" if holder.isdigit() else "another process"
            raise StoreError(
                f"{who} is writing to the store {path.parent}; wait until it ends, or choose another --store"
            ) from error
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let the next writer in. The file stays: deleting it could let two writers in at once."""
        os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)


@contextmanager
def alone(path: Path) -> Iterator[bool]:
    """Whether no other process is within a `with` block of the same file. Raises: OSError when it cannot be opened."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _FILE_MODE)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)

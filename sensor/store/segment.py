"""One segment reaches its place whole or not at all: written elsewhere in the store, made durable, then renamed.

Not beside its final place: one directory of unfinished files is emptied at once after a crash, however large the lake.
"""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sensor.errors import StoreError
from sensor.store.columnar import Column
from sensor.store.parquet import Scratch, write_parquet

_DIRECTORY_MODE = 0o750


def make_directory(path: Path) -> None:
    """Create a directory and its parents, and make each new name durable in its parent."""
    if path.is_dir():
        return
    make_directory(path.parent)
    path.mkdir(mode=_DIRECTORY_MODE, exist_ok=True)
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_segment(
    path: Path,
    columns: Sequence[Column],
    *,
    incoming: Path,
    rows: NDArray[np.int64] | None = None,
    scratch: Scratch | None = None,
) -> int:
    """Write one Parquet file that readers see only when it is complete and on the disk.

    path : where it shall be; a file of that name is replaced
    incoming : directory for unfinished files, on the same file system
    rows, scratch : as in `write_parquet`
    Returns: bytes written.
    Raises: StoreError when the file cannot be written (disk full, no permission); nothing is left of it then.
    """
    unfinished = incoming / ".".join(path.parts[-4:])
    try:
        make_directory(incoming)
        make_directory(path.parent)
        size = write_parquet(unfinished, columns, rows=rows, sync=True, scratch=scratch)
        unfinished.rename(path)
        sync_directory(path.parent)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        reason = error.strerror or str(error)
        raise StoreError(f"cannot write {path}: {reason}; free some space or choose another --store") from error
    return size

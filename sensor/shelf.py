"""What one step of an analysis lays aside for the next: in memory while it is little, else in a file without a name.

The file lies on the store's disk, which was given for the data; /tmp is memory on many machines. Nobody else can open
it, and it is gone with the process, so what is read back is what was written.
"""

import pickle
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from sensor.errors import StoreError

IN_MEMORY_BYTES = 64 << 20


class Shelf:
    """Items in order. file : empty, for reading and writing"""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._begins: list[int] = []

    def append(self, item: Any) -> None:
        """Lay an item aside.

        Raises: StoreError when the disk does not take it.
        """
        self._begins.append(self._file.seek(0, 2))
        try:
            pickle.dump(item, self._file, pickle.HIGHEST_PROTOCOL)
        except OSError as error:
            raise StoreError(f"cannot lay intermediate results aside in the store: {error.strerror}") from error

    def __iter__(self) -> Iterator[Any]:
        for begin in self._begins:
            self._file.seek(begin)
            yield pickle.load(self._file)


@contextmanager
def shelf_in(folder: Path, in_memory_bytes: int = IN_MEMORY_BYTES) -> Iterator[Shelf]:
    """A shelf whose file, when memory does not do, is made in a folder."""
    with tempfile.SpooledTemporaryFile(in_memory_bytes, dir=str(folder)) as file:
        yield Shelf(file)

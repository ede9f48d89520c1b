"""Files that other programs read: replaced whole or not at all."""

import os
import tempfile
from pathlib import Path

from sensor.errors import UsageError

_FILE_MODE = 0o644


def write_atomically(path: Path, data: str | bytes) -> None:
    """Replace a file by one with this content, so that a reader meets the old or the new and never a part.

    Raises: UsageError where the path is something else than a file or cannot be written.
    """
    path = path.resolve()
    if path.exists() and not path.is_file():
        raise UsageError(f"{path} is not a plain file; name one, or leave -o away to have it on standard output")
    raw = data.encode() if isinstance(data, str) else data
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}.", suffix=".new")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(raw)
                file.flush()
                os.fchmod(file.fileno(), _FILE_MODE)
                os.fsync(file.fileno())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)  # the new name, too, survives a power cut
        finally:
            os.close(folder)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error

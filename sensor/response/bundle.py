"""A folder of evidence: files whose hashes a manifest names, whole or not there at all.

In: names and contents. Out: the folder, with manifest.json and SHA256SUMS (which `sha256sum -c` reads). What the files
say is for the caller.
"""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sensor.errors import UsageError
from sensor.response.jsontext import json_text

_DIRECTORY_MODE, _FILE_MODE = 0o750, 0o640  # evidence is for those who may read the store
MANIFEST, SUMS = "manifest.json", "SHA256SUMS"


class Bundle:
    """A folder in the making: a context manager that leaves nothing behind when something goes wrong.

    with Bundle(Path("case-7")) as bundle:
        bundle.add("flows.csv", chunks)
        bundle.finish({...})
    """

    def __init__(self, target: Path) -> None:
        """Raises: UsageError when the folder is there already, or cannot be made."""
        self.target = Path(os.path.abspath(target))  # noqa: PTH100 (a link at its place is refused, not followed)
        if self.target.exists() or self.target.is_symlink():
            raise UsageError(f"{target} is there already; evidence goes into a new folder")
        try:
            self.folder = Path(tempfile.mkdtemp(prefix=f".{self.target.name[:60]}.", dir=self.target.parent))
        except OSError as error:
            raise UsageError(f"cannot make {target}: {error.strerror}") from error
        self._names: list[str] = []
        self._is_finished = False

    def add(self, name: str, chunks: Iterable[bytes]) -> Path:
        """Write one file."""
        path = self.reserve(name)
        with path.open("wb") as file:
            for chunk in chunks:
                file.write(chunk)
        return path

    def reserve(self, name: str) -> Path:
        """The path of a file that the caller writes before `finish`."""
        self._names.append(name)
        return self.folder / name

    def finish(self, facts: Mapping[str, Any], meanings: Mapping[str, str]) -> None:
        """Hash the files, write the manifest with the facts, and put the folder into its place.

        meanings : name -> what the file is
        """
        files = [self._described(name, meanings.get(name, "")) for name in sorted(self._names)]
        self.add(MANIFEST, [json_text({**facts, "files": files}).encode("ascii")])
        sums = "".join(f"{sha256_of(self.folder / name)}  {name}\n" for name in sorted(self._names))
        self.add(SUMS, [sums.encode("ascii")])
        for path in self.folder.iterdir():
            path.chmod(_FILE_MODE)
            with path.open("rb") as file:
                os.fsync(file.fileno())
        self.folder.chmod(_DIRECTORY_MODE)
        self.folder.rename(self.target)
        self._is_finished = True

    def _described(self, name: str, meaning: str) -> dict[str, Any]:
        path = self.folder / name
        return {"name": name, "bytes": path.stat().st_size, "sha256": sha256_of(path), "what": meaning}

    def __enter__(self) -> "Bundle":
        return self

    def __exit__(self, *_: object) -> None:
        if not self._is_finished:
            shutil.rmtree(self.folder, ignore_errors=True)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

"""The door to captures on disk and from pipes: open one, take its batches, ask what was odd.

In: paths. Out: `Batch` objects. Never decides what a frame means, and never hides what could not be read.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import xxhash

from sensor.capture.batch import Batch
from sensor.capture.pcap import MAGICS, PcapFormat
from sensor.capture.pcapng import MAX_INTERFACES, MIN_SECTION_BYTES, SECTION_MAGIC, PcapngFormat
from sensor.capture.stream import STDIN, RawSource, open_source
from sensor.capture.walk import Columns, Format, Interface
from sensor.capture.window import Window
from sensor.errors import DamagedCaptureError, InputError, NotACaptureError, UsageError

_HASH_BUFFER_BYTES = 1 << 20


def content_hash(path: str) -> str:
    """XXH3 (128 bits, hex) of a file's stored bytes, without decompressing: the same file is known again by it.

    It is an identity, not evidence: SHA-256 would cost six times what reading the whole capture does.
    Raises InputError when the file cannot be read.
    """
    try:
        with Path(path).open("rb", buffering=0) as file:
            digest = xxhash.xxh3_128()
            buffer = memoryview(bytearray(_HASH_BUFFER_BYTES))
            while got := file.readinto(buffer):
                digest.update(buffer[:got])
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    return digest.hexdigest()


def likeness(path: str) -> str:
    """What a file is recognised by without reading it whole, see ByteSource. Raises InputError when it is not there."""
    raw = RawSource(path)
    try:
        return raw.likeness()
    finally:
        raw.close()


class _Closing:
    """Closes itself at the end of a `with` block."""

    def close(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class CaptureReader(_Closing):
    """One capture file or stream, read once from front to back.

    source : str, the file's name without its directory, or "-"
    path : str, as given, for messages
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.source = STDIN if path == STDIN else Path(path).name
        self._bytes = open_source(path)
        self._columns = Columns()
        self._window = Window(self._bytes)
        self.packets = 0
        try:
            self._format = self._recognise()
        except BaseException:
            self.close()
            raise

    def _recognise(self) -> Format:
        self._window.fill(MIN_SECTION_BYTES)
        head = self._window.buffer[: min(self._window.available, MIN_SECTION_BYTES)].tobytes()
        try:
            if head[:4] in MAGICS:
                return PcapFormat(self._window)
            if head[:4] == SECTION_MAGIC:
                return PcapngFormat(self._window)
        except ValueError as error:
            raise NotACaptureError(f"{self.path}: not a capture that kagami reads: {error}") from None
        packed = f"{self._bytes.compression} of " if self._bytes.compression else ""
        if self._bytes.damage:
            raise NotACaptureError(f"{self.path}: nothing of it can be read: {self._bytes.damage}")
        if not head:
            raise NotACaptureError(f"{self.path}: not a capture: {packed}an empty file (0 bytes)")
        found = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in head[:16])
        raise NotACaptureError(
            f"{self.path}: not a capture: {packed}something that begins with {head[:16].hex(' ')} ({found!r}), "
            "neither pcap nor pcapng"
        )

    def batches(self) -> Iterator[Batch]:
        """Every frame of the capture, in order. A batch's arrays are filled again for the next one.

        Raises DamagedCaptureError after the last good frame, when the capture breaks off or is corrupt.
        """
        window, form = self._window, self._format
        with self:
            while True:
                n = form.index(self._columns)
                if n:
                    self.packets += n
                    yield self._columns.batch(window.buffer[: window.hi], n)
                if form.damage:
                    raise self._damaged(form.damage)
                if window.available < form.need and not window.fill(form.need):
                    break
            if self._bytes.damage:
                raise self._damaged(self._bytes.damage)
            if window.available:
                raise self._damaged("it breaks off in the middle of a packet or block")

    def _damaged(self, reason: str) -> DamagedCaptureError:
        where = " of the decompressed data" if self._bytes.compression else ""
        return DamagedCaptureError(
            f"{self.path}: damaged at byte {self._window.offset}{where}, packet {self.packets + 1}: {reason}; "
            f"the {self.packets} packets before it were read"
        )

    @property
    def bytes_read(self) -> int:
        """Stored (compressed) bytes read so far."""
        return self._bytes.bytes_read

    @property
    def bytes_total(self) -> int | None:
        """Stored (compressed) bytes of the file; None for a stream."""
        return self._bytes.bytes_total

    @property
    def content_hash(self) -> str:
        """XXH3 of the stored bytes (hex). After the last batch it is known; before, a file is read for it, and for a
        stream it is that of what was read.
        """
        return self.digest or content_hash(self.path)

    @property
    def digest(self) -> str | None:
        """`content_hash` as far as it is known without reading anything for it."""
        return self._bytes.content_hash()

    @property
    def likeness(self) -> str:
        """What it is recognised by before the hash of its content is known, see ByteSource; of a stream, at its end."""
        return self._bytes.likeness()

    @property
    def interfaces(self) -> list[Interface]:
        """The capture's interfaces met so far, in order, sections one after another."""
        return self._format.interfaces

    @property
    def anomalies(self) -> dict[str, int]:
        """How often something odd but harmless was met, by name (walk.ANOMALIES)."""
        return self._columns.anomalies()

    def close(self) -> None:
        """Close the file; `batches` does so by itself when it ends."""
        self._bytes.close()


class RotatedReader(_Closing):
    """The files of one ring, read one after another as one capture. Files are opened when their turn comes.

    A file that is damaged or no capture does not keep the rest from being read: `batches` goes on, raises at the end.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        if not paths:
            raise UsageError("no capture file given to join")
        if STDIN in paths:
            raise UsageError("a stream cannot be part of a ring of files; replay '-' without --rotated")
        self.paths = list(paths)
        more = f" (+{len(paths) - 1} files)" if len(paths) > 1 else ""
        self.source = Path(paths[0]).name + more
        self.path = paths[0] + more
        self.packets = 0
        self._bytes_read = 0
        self._digests: dict[str, str | None] = {}
        self._anomalies: Counter[str] = Counter()
        self._interfaces: list[Interface] = []
        self._current: CaptureReader | None = None

    def batches(self) -> Iterator[Batch]:
        """Every frame of every file, in order (see CaptureReader.batches).

        Raises, after the last frame, the one error of the ring; where several files had one, a DamagedCaptureError
        that names them all.
        """
        errors: list[InputError] = []
        for path in self.paths:
            try:
                with CaptureReader(path) as self._current:
                    for batch in self._current.batches():
                        self.packets += len(batch)
                        yield batch
            except InputError as error:
                errors.append(error)
            self._close_current()
        if len(errors) == 1:
            raise errors[0]
        if errors:
            raise DamagedCaptureError("; ".join(str(error) for error in errors))

    def _close_current(self) -> None:
        if self._current is not None:
            self._bytes_read += self._current.bytes_read
            self._digests[self._current.path] = self._current.digest
            self._anomalies.update(self._current.anomalies)
            self._interfaces += self._current.interfaces[: MAX_INTERFACES - len(self._interfaces)]
            self._current = None

    @property
    def bytes_read(self) -> int:
        """Stored bytes read so far, of all files."""
        return self._bytes_read + (self._current.bytes_read if self._current else 0)

    @property
    def bytes_total(self) -> int | None:
        """Stored bytes of all files that are there."""
        return sum(Path(path).stat().st_size for path in self.paths if Path(path).is_file())

    @property
    def content_hash(self) -> str:
        """XXH3 over the files' digests (hex), in order. Files that were not read yet are read for it."""
        digests = (self._digests.get(path) or content_hash(path) for path in self.paths)
        return xxhash.xxh3_128("\n".join(digests).encode()).hexdigest()

    @property
    def likeness(self) -> str:
        """XXH3 over what the files are recognised by, in order."""
        return xxhash.xxh3_64("\n".join(likeness(path) for path in self.paths).encode()).hexdigest()

    @property
    def interfaces(self) -> list[Interface]:
        """The interfaces of all files met so far."""
        return self._interfaces + (self._current.interfaces if self._current else [])

    @property
    def anomalies(self) -> dict[str, int]:
        """How often something odd but harmless was met, by name (walk.ANOMALIES)."""
        return dict(self._anomalies + Counter(self._current.anomalies if self._current else {}))

    def close(self) -> None:
        """Close the file whose turn it is; `batches` does so by itself when it ends."""
        if self._current is not None:
            self._current.close()


def open_capture(path: str) -> CaptureReader:
    """Open a capture file, or "-" for standard input.

    Raises InputError (missing, unreadable, a directory), NotACaptureError (its bytes are no capture), UsageError
    ("-" on a terminal).
    """
    return CaptureReader(path)


def open_rotated(paths: Sequence[str]) -> RotatedReader:
    """Join the files of one ring (tcpdump -C or -G) into one capture; `files.order_rotated` puts them in order.

    Raises UsageError for no file and for "-".
    """
    return RotatedReader(paths)

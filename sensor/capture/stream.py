"""Bytes in order from a file or a pipe, plain or compressed; told apart by their first bytes, not by names.

In: a path, or "-" for standard input. Out: `readinto` calls that never seek and never need more than a few MiB,
whatever a compressed file expands to. Never interprets what it delivers.
"""

import fcntl
import os
import select
import stat
import time
import zlib
from collections.abc import Callable
from io import FileIO
from typing import Any, Protocol

import xxhash

from sensor.errors import InputError, UsageError

STDIN = "-"
CHUNK_BYTES = 128 << 10  # compressed bytes read at a time
_PIPE_BYTES = 1 << 20
_LIKENESS_BYTES = 1 << 20
_IDLE_S = 0.2  # a pipe that is quiet for so long, or trickles for
_PATIENCE_S = 1.0  # so long, hands over what there is: a live stream must not wait for a full buffer
_XZ_MEMORY_BYTES = 256 << 20  # xz -9 needs 65 MiB
_ZSTD_WINDOW_BYTES = 128 << 20  # zstd's own default limit: zstd -19 and --long=27
_ZSTD_PIECE_BYTES = 2048  # its worst expansion is 128 KiB from 4 bytes, so 64 MiB a piece; 1024 halves the speed


class ByteSource(Protocol):
    """Where a capture's bytes come from."""

    path: str
    compression: str  # "" or gzip, xz, zstd, lz4
    damage: str | None  # why the bytes end before they should, once they have ended

    @property
    def bytes_read(self) -> int:
        """As stored: compressed bytes of a compressed file."""
        ...

    @property
    def bytes_total(self) -> int | None:
        """As stored; None for a stream."""
        ...

    def readinto(self, view: memoryview) -> int:
        """Fill the front of view; return how many bytes, 0 at the end. A stream may give less than there is room."""
        ...

    def content_hash(self) -> str | None:
        """Digest of the stored bytes; of a stream, those read so far. None for a file that was not read to its end."""
        ...

    def likeness(self) -> str:
        """XXH3 of the first MiB as stored, and of the size (16 hex digits); of a stream, of what was read of it.

        The same file has the same, read or not, and hardly another capture: it begins with other times.
        """
        ...

    def close(self) -> None: ...


def open_source(path: str) -> ByteSource:
    """Open a path or "-", decompressing where its first bytes ask for it.

    Raises InputError when it is missing, unreadable or a directory; UsageError for "-" on a terminal.
    """
    raw = RawSource(path)
    head = raw.peek(6)
    for name, (magics, codec) in _CODECS.items():
        if head.startswith(magics):
            return DecompressedSource(raw, name, codec)
    return raw


class RawSource:
    """The bytes as they lie on disk or come through a pipe."""

    compression = ""

    def __init__(self, path: str) -> None:
        self.path = path
        self.damage: str | None = None
        self.bytes_read = 0
        self.bytes_total: int | None = None
        self._head = b""
        self._is_stream = True
        self._hash = xxhash.xxh3_128()
        self._beginning = xxhash.xxh3_64()
        if path == STDIN:
            if os.isatty(0):
                raise UsageError("'-' reads a capture from standard input, which is a terminal; pipe one in")
            self._file = _open_unbuffered(0, "standard input")
        else:
            self._file = _open_unbuffered(path, path)
            status = os.fstat(self._file.fileno())
            if stat.S_ISREG(status.st_mode):
                self._is_stream = False
                self.bytes_total = status.st_size
        if self._is_stream:
            _enlarge_pipe(self._file.fileno())

    def peek(self, n_bytes: int) -> bytes:
        """The next bytes without consuming them; fewer than asked for only at the end."""
        while len(self._head) < n_bytes:
            chunk = bytearray(n_bytes - len(self._head))
            got = self._read(memoryview(chunk))
            if got == 0:
                break
            self._head += bytes(chunk[:got])
        return self._head

    def readinto(self, view: memoryview) -> int:
        """See ByteSource."""
        n = min(len(self._head), len(view))
        view[:n] = self._head[:n]
        self._head = self._head[n:]
        deadline = time.monotonic() + _PATIENCE_S
        while n < len(view) and (n == 0 or self._has_more(deadline)):
            got = self._read(view[n:])
            if got == 0:
                break
            n += got
        return n

    def content_hash(self) -> str | None:
        """See ByteSource."""
        return self._hash.hexdigest() if self._is_stream or self.bytes_read == self.bytes_total else None

    def likeness(self) -> str:
        """See ByteSource. Raises: InputError."""
        digest, size = self._beginning.copy(), self.bytes_read
        if self.bytes_total is not None:
            try:
                digest, size = xxhash.xxh3_64(os.pread(self._file.fileno(), _LIKENESS_BYTES, 0)), self.bytes_total
            except OSError as error:
                raise InputError(f"{self.path}: cannot be read ({error.strerror})") from None
        digest.update(size.to_bytes(8))
        return digest.hexdigest()

    def close(self) -> None:
        self._file.close()

    def _read(self, view: memoryview) -> int:
        try:
            got = self._file.readinto(view) or 0
        except OSError as error:
            self.damage = f"reading it failed ({error.strerror})"
            return 0
        if self.bytes_read < _LIKENESS_BYTES:
            self._beginning.update(view[: min(got, _LIKENESS_BYTES - self.bytes_read)])
        self.bytes_read += got
        self._hash.update(view[:got])
        return got

    def _has_more(self, deadline: float) -> bool:
        """Whether to read on although something is there to hand over already."""
        if not self._is_stream:
            return True
        wait_s = min(_IDLE_S, deadline - time.monotonic())
        return wait_s > 0 and bool(select.select([self._file.fileno()], [], [], wait_s)[0])


def _open_unbuffered(file: str | int, shown: str) -> FileIO:
    try:
        return FileIO(file, "r", closefd=file != 0)
    except FileNotFoundError:
        raise InputError(f"{shown}: no such file") from None
    except IsADirectoryError:
        raise InputError(f"{shown}: is a directory; no capture file is read from it") from None
    except PermissionError:
        raise InputError(f"{shown}: permission denied; read access is needed") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the path
        raise InputError(f"{shown}: cannot be opened ({error})") from None


def _enlarge_pipe(fd: int) -> None:
    """Ask for a larger pipe: fewer wake-ups. Refused for what is no pipe, or over the user's limit: no matter."""
    try:
        fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    except OSError:
        return


class _Codec(Protocol):
    """One compressed frame, member or stream. decompress(b"", n) goes on with input given before."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes | None: ...  # what follows the end; lz4 says None for nothing
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class DecompressedSource:
    """The content of a compressed source, frame after frame; ends with `damage` set where the data goes bad."""

    def __init__(self, raw: RawSource, compression: str, codec: Callable[[], _Codec]) -> None:
        self.path = raw.path
        self.compression = compression
        self.damage: str | None = None
        self._raw = raw
        self._new_codec = codec
        self._codec = codec()
        self._is_fresh = True  # no byte was given to the codec yet
        self._chunk = bytearray(CHUNK_BYTES)
        self._input = b""

    @property
    def bytes_read(self) -> int:
        return self._raw.bytes_read

    @property
    def bytes_total(self) -> int | None:
        return self._raw.bytes_total

    def content_hash(self) -> str | None:
        """See ByteSource."""
        return self._raw.content_hash()

    def likeness(self) -> str:
        """See ByteSource."""
        return self._raw.likeness()

    def close(self) -> None:
        self._raw.close()

    def readinto(self, view: memoryview) -> int:
        """See ByteSource."""
        n = 0
        while n < len(view) and not self.damage:
            try:
                piece = self._step(len(view) - n)
            except EOFError:
                break
            except Exception as error:  # zlib.error, LZMAError, ZstdError, RuntimeError: each library has its own
                self.damage = f"its {self.compression} data cannot be decompressed ({error})"
                break
            view[n : n + len(piece)] = piece
            n += len(piece)
        return n

    def _step(self, limit: int) -> bytes:
        """Up to `limit` bytes more, perhaps none yet. Raises EOFError at the end."""
        if self._codec.eof:
            self._input = (self._codec.unused_data or b"").lstrip(b"\0")  # gzip and xz allow zeros as padding
            self._codec, self._is_fresh = self._new_codec(), True
        if not self._is_fresh or self._input:
            data, self._input = self._input, b""
            self._is_fresh = False
            piece = self._codec.decompress(data, limit)
            if piece or self._codec.eof:
                return piece
        got = self._raw.readinto(memoryview(self._chunk))
        if got == 0:
            self.damage = self._raw.damage
            if not self._is_fresh and not self.damage:
                self.damage = f"its {self.compression} data breaks off"
            raise EOFError
        self._input = bytes(self._chunk[:got]).lstrip(b"\0") if self._is_fresh else bytes(self._chunk[:got])
        return b""


class _Gzip:
    """zlib keeps unread input outside of the object; this keeps it inside, as the other libraries do."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(31)  # 31: gzip header and checksum

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._zlib.decompress(self._zlib.unconsumed_tail + data, max_length)


class _Zstd:
    """zstandard's object gives all output of its input at once: feed it little at a time."""

    def __init__(self) -> None:
        import zstandard

        self._zstd = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_BYTES).decompressobj()
        self._input = memoryview(b"")
        self._output = memoryview(b"")

    @property
    def eof(self) -> bool:
        return self._zstd.eof and not self._output

    @property
    def unused_data(self) -> bytes:
        return self._zstd.unused_data + bytes(self._input)

    def decompress(self, data: bytes, max_length: int) -> bytes:
        if data:
            self._input = memoryview(data)
        while not self._output and self._input and not self._zstd.eof:
            piece, self._input = self._input[:_ZSTD_PIECE_BYTES], self._input[_ZSTD_PIECE_BYTES:]
            self._output = memoryview(self._zstd.decompress(piece))
        out, self._output = self._output[:max_length], self._output[max_length:]
        return bytes(out)


def _new_xz() -> Any:
    import lzma

    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY_BYTES)


def _new_lz4() -> Any:
    import lz4.frame

    return lz4.frame.LZ4FrameDecompressor()


_SKIPPABLE = tuple(bytes([low]) + b"\x2a\x4d\x18" for low in range(0x50, 0x60))  # pzstd begins files with one

_CODECS: dict[str, tuple[tuple[bytes, ...], Callable[[], _Codec]]] = {
    "gzip": ((b"\x1f\x8b",), _Gzip),
    "xz": ((b"\xfd7zXZ\0",), _new_xz),
    "zstd": ((b"\x28\xb5\x2f\xfd", *_SKIPPABLE), _Zstd),
    "lz4": ((b"\x04\x22\x4d\x18",), _new_lz4),
}
"""Name -> (first bytes, decompressor of one frame)."""

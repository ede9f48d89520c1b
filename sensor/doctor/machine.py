"""Checks of the machine and the store: programs, kernels, clock, disk, database, site file. Changes nothing."""

import ctypes
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from sensor import __version__
from sensor.bpf import compile_filter
from sensor.doctor.check import Check, fail, ok, warn
from sensor.errors import KagamiError
from sensor.site import DEFAULT_INTERNAL, Site
from sensor.store.kept import kept_summary
from sensor.store.schema import DATABASE_NAME, LOCK_NAME
from sensor.store.store import Store
from sensor.warmup import is_warm, kernels_folder

_GIB = 1 << 30
_TIME_ERROR = 5  # adjtimex(2): the clock is not synchronized
_LARGE_WAL_BYTES = 256 << 20


def machine_checks() -> Iterator[Check]:
    """Programs, kernels and clock."""
    yield ok("version", f"kagami {__version__} on Python {sys.version.split()[0]}")
    yield _kernels()
    yield _tshark()
    yield _libpcap()
    yield _clock()


def store_checks(store_dir: Path, site: Site, site_file: Path | None) -> Iterator[Check]:
    """The site file, the disk and the store."""
    yield from _site(site, site_file)
    yield _disk(store_dir, site)
    if site.keep_packets:
        yield _kept_packets(store_dir, site)
    if not (store_dir / DATABASE_NAME).exists():
        yield ok("store", f"there is none in {store_dir} yet; `kagami watch` or `kagami replay` makes one")
        return
    yield _store(store_dir)
    yield _writer(store_dir)
    wal = store_dir / f"{DATABASE_NAME}-wal"
    if wal.exists() and wal.stat().st_size > _LARGE_WAL_BYTES:
        yield warn(
            "write-ahead log",
            f"{wal} has grown to {wal.stat().st_size / _GIB:.1f} GiB: some reader has been at it for long",
            "end long-running sqlite3 sessions, then run `kagami prune`",
        )


def _kernels() -> Check:
    folder = kernels_folder()
    if folder is None:
        return warn(
            "kernels",
            "there is no folder to keep compiled kernels in, so every start compiles for half a minute",
            "set NUMBA_CACHE_DIR to a folder that this account may write into",
        )
    if not is_warm():
        return warn("kernels", f"not compiled yet for this version in {folder}", "kagami warmup")
    return ok("kernels", f"compiled in {folder}")


def _tshark() -> Check:
    path = shutil.which("tshark")
    if path is None:
        return warn("tshark", "not here: one conversation cannot be dissected", "apt install tshark")
    said = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=30, check=False).stdout
    return ok("tshark", said.split("\n", 1)[0] or path)


def _libpcap() -> Check:
    try:
        compile_filter("tcp port 443", 1)
    except KagamiError as error:
        return warn("libpcap", f"--filter will not work: {error}", "apt install libpcap0.8")
    return ok("libpcap", "capture filters compile")


def _clock() -> Check:
    buffer = ctypes.create_string_buffer(256)  # struct timex, all zero: only asked, nothing set
    try:
        state = ctypes.CDLL(None).adjtimex(buffer)
    except (OSError, AttributeError):
        return ok("clock", "cannot be asked here")
    if state == _TIME_ERROR:
        return warn(
            "clock",
            "not synchronized: times in evidence will not match other logs",
            "timedatectl set-ntp true, or set up chrony",
        )
    return ok("clock", "synchronized")


def _site(site: Site, site_file: Path | None) -> Iterator[Check]:
    if site_file is None:
        yield warn(
            "site file",
            "none given: private networks count as internal, no proxy is declared",
            "write one and name it with --site or KAGAMI_SITE (docs/commands.md)",
        )
    else:
        yield ok("site file", f"{site_file} is valid")
    if site.internal == DEFAULT_INTERNAL:
        yield ok("internal networks", "the default: private, shared, link-local and loopback networks")
    else:
        yield ok("internal networks", ", ".join(map(str, site.internal[:8])))
    if site_file is not None and not site.proxies:
        yield warn(
            "proxies",
            "none declared: traffic around an unknown proxy is judged only once its clients were seen asking it",
            "name them under [proxies] addresses",
        )


def _disk(store_dir: Path, site: Site) -> Check:
    place = _disk_of(store_dir)
    usage = shutil.disk_usage(place)
    told = f"{usage.free / _GIB:.1f} of {usage.total / _GIB:.1f} GiB are free at {place}"
    if usage.free < site.free_gib * _GIB:
        return fail(
            "disk",
            f"{told}, less than the {site.free_gib:g} GiB to be left: nothing is stored",
            "kagami prune, or free some space, or lower [retention] free_gib",
        )
    if usage.free < 3 * site.free_gib * _GIB or usage.free < usage.total / 20:
        return warn("disk", told, "set [retention] lake_days or lake_gib, and let `kagami prune` run by its timer")
    return ok("disk", told)


def _disk_of(store_dir: Path) -> Path:
    """The folder nearest to the store that is there."""
    return next((path for path in (store_dir, *store_dir.resolve().parents) if path.exists()), Path("/"))


def _kept_packets(store_dir: Path, site: Site) -> Check:
    """Whether the disk has room for the packets that are to be kept."""
    held = kept_summary(store_dir)["bytes"]
    room = held + shutil.disk_usage(_disk_of(store_dir)).free - site.free_gib * _GIB
    told = f"{held / _GIB:.1f} of {site.keep_gib:g} GiB are in use"
    if room < site.keep_gib * _GIB:
        return warn(
            "kept packets",
            f"{told}, and the disk has room for {max(room, 0.0) / _GIB:.1f} in all: older ones go earlier than meant",
            "lower [capture] keep_gib, or give the store a larger disk",
        )
    return ok("kept packets", told)


def _store(store_dir: Path) -> Check:
    try:
        with Store.open(store_dir) as store:
            health = store.health()
            (verdict,) = store.db.execute("PRAGMA quick_check(1)").fetchone()
    except (KagamiError, sqlite3.Error) as error:
        return fail("store", str(error), "see the message; a copy of the folder can be opened elsewhere")
    if verdict != "ok":
        return fail("store", f"{store_dir / DATABASE_NAME} is damaged: {verdict}", "restore it from a copy")
    return ok(
        "store", f"{store_dir}, schema {health['schema_version']}, {sum(health['sources'].values()):,} sources, sound"
    )


def _writer(store_dir: Path) -> Check:
    """Who holds the lock, by what is written in it: taking it to find out could turn a capture away."""
    try:
        holder = (store_dir / LOCK_NAME).read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        holder = ""
    if holder.isdigit() and Path(f"/proc/{holder}").exists():
        return ok("writer", f"process {holder} writes into it")
    return ok("writer", "nobody writes into it now")

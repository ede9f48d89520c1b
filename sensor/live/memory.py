"""Freed memory goes back to the system, so that months of capturing take what the moment needs, not the worst one.

glibc keeps what programs free for later, the more of it the larger the pieces were: a burst of rows would stay forever.
"""

import ctypes

_M_MMAP_THRESHOLD = -3  # malloc.h; setting it also ends its growth
_LARGE_BYTES = 1 << 20


def give_back_large() -> None:
    """Have every array of a MiB or more mapped on its own, and unmapped when it is freed. Without glibc, nothing."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)

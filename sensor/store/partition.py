"""Which rows go to which day and client bucket of the lake. Pure numpy; this module never touches a file."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from sensor.store.columns import MIXED_DAY, N_BUCKETS, NANOSECONDS_A_DAY

MAX_DAYS = 64


def partitions(ts_ns: NDArray[np.int64], bucket: NDArray[np.uint8]) -> Iterator[tuple[str, int, NDArray[np.int64]]]:
    """Rows by day and bucket, in their order.

    A capture with senseless times could touch every day of two centuries; rows of more than MAX_DAYS days go together
    to the day MIXED_DAY, which every reader opens, so that the number of files stays bounded.

    ts_ns : int64[n], nanoseconds since 1970 UTC, in any order
    bucket : uint8[n], 0 to N_BUCKETS - 1
    Yields: day, bucket and the rows, int64[>= 1] ascending.
    Raises: ValueError for a bucket out of range.
    """
    if len(ts_ns) == 0:
        return
    if int(bucket.max()) >= N_BUCKETS:
        raise ValueError(f"client bucket {int(bucket.max())} is out of range, there are {N_BUCKETS}")
    first_day = int(ts_ns.min()) // NANOSECONDS_A_DAY
    if int(ts_ns.max()) // NANOSECONDS_A_DAY == first_day:
        yield from _buckets(str(np.datetime64(first_day, "D")), bucket, np.arange(len(bucket)))
        return
    day = ts_ns // NANOSECONDS_A_DAY
    days = np.unique(day)
    if len(days) > MAX_DAYS:
        yield from _buckets(MIXED_DAY, bucket, np.arange(len(bucket)))
        return
    for number in days:
        yield from _buckets(str(np.datetime64(int(number), "D")), bucket, np.flatnonzero(day == number))


def _buckets(
    day: str, bucket: NDArray[np.uint8], rows: NDArray[np.int64]
) -> Iterator[tuple[str, int, NDArray[np.int64]]]:
    mine = bucket[rows]
    order = np.argsort(mine, kind="stable")  # a radix sort for one byte
    ends = np.cumsum(np.bincount(mine, minlength=N_BUCKETS))
    start = 0
    for number, end in enumerate(ends.tolist()):
        if end > start:
            yield day, number, rows[order[start:end]]
        start = end

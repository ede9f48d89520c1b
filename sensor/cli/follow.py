"""Findings as they come: the list is asked again and again, and what is new or has changed is given once."""

import time
from collections.abc import Callable, Iterator

from sensor.cli.columns import Row

EVERY_S = 5.0

Ask = Callable[[], list[Row]]


def changes(ask: Ask, sleep: Callable[[float], object] = time.sleep) -> Iterator[Row]:
    """Rows as they appear or change, the oldest last contact first; never ends by itself.

    ask : gives the rows that match now
    """
    known: dict[int, tuple[object, ...]] = {}
    while True:
        for row in sorted(ask(), key=lambda row: (row["last_ts"], row["id"])):
            state = (row["score"], row["last_ts"], row["events"], row["state"], row["allowed_by"])
            if known.get(row["id"]) != state:
                known[row["id"]] = state
                yield row
        sleep(EVERY_S)

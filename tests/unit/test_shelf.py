"""Items laid aside come back as they were, from memory or from a file that nobody sees."""

import errno
import io
from pathlib import Path

import numpy as np
import pytest

from sensor.errors import StoreError
from sensor.shelf import Shelf, shelf_in


@pytest.mark.parametrize("in_memory_bytes", [100, 1 << 20])
def test_items_come_back_in_order_and_more_than_once(tmp_path: Path, in_memory_bytes: int) -> None:
    items = [np.arange(1_000), {"name": ("a", 1)}, "text"]
    with shelf_in(tmp_path, in_memory_bytes) as shelf:
        for item in items:
            shelf.append(item)
        assert not list(tmp_path.iterdir())
        for _ in range(2):
            numbers, *others = shelf
            assert numbers.tolist() == items[0].tolist()
            assert others == items[1:]
        shelf.append("later")
        assert list(shelf)[-1] == "later"


def test_a_full_disk_is_told_as_one() -> None:
    class Full(io.BytesIO):
        def write(self, data: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(StoreError, match="No space left"):
        Shelf(Full()).append("item")

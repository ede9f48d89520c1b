"""A writer that is killed in the middle: the store opens clean, and no reader ever meets half a segment."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sensor.errors import StoreError
from sensor.store.questions import dns
from sensor.store.store import Store

SHA = "ab" * 32
ROWS = 20_000

WRITER = f"""
import sys
from pathlib import Path
from itertools import count
from sensor.store.store import Store
from tests.support.lake_rows import buckets_of, columns_of, row

rows = [row("dns", qname=f"name-{{i}}.example", orig_ip=f"10.0.0.{{i % 250}}") for i in range({ROWS})]
columns, bucket = columns_of("dns", rows), buckets_of(rows)
with Store.open(Path(sys.argv[1]), write=True) as store:
    store.begin_source("{SHA}", "endless.pcap")
    for n in count():
        store.lake.append("dns", store.segment_name("{SHA}", n), columns, bucket)
        print(n, flush=True)
"""


@pytest.fixture(scope="module", autouse=True)
def _kernels_are_compiled() -> None:
    import sensor.store.parquet  # noqa: F401


@pytest.mark.parametrize("n_appends", [1, 2, 5])
def test_killed_in_the_middle_of_appends(store_dir: Path, repo: Path, n_appends: int) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(store_dir)], cwd=repo, stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    for _ in range(n_appends):
        assert writer.stdout.readline()
    with Store.open(store_dir) as reader:  # while it writes
        rows, total = dns(reader)
        assert total > 0
    with pytest.raises(StoreError, match=f"process {writer.pid} is writing"):
        Store.open(store_dir, write=True)
    writer.send_signal(signal.SIGKILL)
    writer.communicate()

    incoming = store_dir / "lake" / ".incoming"
    with Store.open(store_dir, write=True) as store:
        assert store.health()["sources"] == {"interrupted": 1}
        assert list(incoming.iterdir()) == []
        rows, total = dns(store)
        assert sum(1 for _ in rows) == total >= n_appends * ROWS
        assert store.db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert not store.begin_source(SHA, "endless.pcap")
        assert dns(store)[1] == 0

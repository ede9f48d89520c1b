"""A capture on the wire gives the rows that the same packets give from a file, times apart."""

from pathlib import Path

import pytest

from sensor.run import demo_capture, replay
from sensor.site import Site
from tests.support.mirror import NOT_COMPARED, Namespace, Recording, Watch, rows_of_store

CASES = {
    "demo-3-workers": (None, "--mbps=20", ("--workers", "3")),
    "tls-beacon": ("c2/cc-test-3s.pcap", "--multiplier=15", ()),
}


@pytest.mark.parametrize("name", CASES)
def test_the_wire_and_the_file_give_the_same(
    wire: Namespace, tmp_path: Path, name: str, request: pytest.FixtureRequest
) -> None:
    shared, speed, options = CASES[name]
    capture = request.getfixturevalue("shared_data") / "pcaps" / shared if shared else demo_capture()
    written = tmp_path / "wire.pcap"
    with Watch(wire, tmp_path / "live", "mirror", *options) as watch:
        recording = Recording(wire, "mirror", written)
        n_sent = wire.send("out", capture, speed)
        recording.stop()
        assert watch.stop() == 0
        assert watch.health()["packets"] == n_sent
    replay([str(written)], tmp_path / "file", site=Site(), with_analysis=False)
    # what a client of another worker asked DNS is not known: see docs/limits.md
    without = (*NOT_COMPARED, "notes", "resolved") if options else NOT_COMPARED
    assert rows_of_store(tmp_path / "live", without) == rows_of_store(tmp_path / "file", without)

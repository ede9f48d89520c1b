"""Long connections of a real Windows day: push channels are put together from their pieces, labelled, and low."""

from pathlib import Path

from sensor.run import replay
from sensor.site import load_site
from sensor.store.findings import findings
from sensor.store.store import Store


def test_push_channels_of_a_windows_day(shared_data: Path, tmp_path: Path) -> None:
    capture = shared_data / "pcaps" / "benign" / "windows-normal-24h-a.pcap"
    replay([str(capture)], tmp_path / "store", site=load_site(None, ["147.32.0.0/16"]))
    with Store.open(tmp_path / "store", write=False) as store:
        found = [row for row in findings(store)[0] if row["analyzer"] in ("strobe", "long-connection")]
    assert {row["severity"] for row in found} <= {"low", "medium"}
    (push,) = (row for row in found if row["dest"] == "client.wns.windows.com")
    assert push["severity"] == "low"
    assert push["reasons"][0] == "1 connection of an hour or more, open for 7.29 h"
    assert any("Windows push notifications; the severity is lowered" in said for said in push["reasons"])
    assert any(said.startswith("put together from ") for said in push["reasons"])

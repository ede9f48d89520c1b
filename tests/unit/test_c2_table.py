"""The table of labelled channels: what counts as found, and labels that can be meant."""

import tomllib
from typing import Any

import pytest

from benchmarks.c2_table import INSIDE, LABELS, rank_of, verdict

CHANNEL: dict[str, Any] = {"host": "10.0.0.5", "dests": ["192.0.2.1", "192.0.2.2"], "port": 443, "interval_s": 60.0}
FOUND: dict[str, Any] = {
    "analyzer": "beacon",
    "orig_ip": "10.0.0.5",
    "dest": "c2.example",
    "dest_ips": ["192.0.2.2"],
    "resp_port": 443,
    "score": 0.9,
    "severity": "high",
    "interval_s": 61.0,
    "reasons": [],
}


def test_the_first_matching_beacon_gives_the_rank() -> None:
    assert rank_of(CHANNEL, [FOUND | {"orig_ip": "10.0.0.6"}, FOUND, FOUND]) == 2


@pytest.mark.parametrize(
    "other", [{"analyzer": "bypass"}, {"orig_ip": "10.0.0.6"}, {"dest_ips": ["192.0.2.3"]}, {"resp_port": 80}]
)
def test_a_finding_of_something_else_finds_nothing(other: dict[str, Any]) -> None:
    assert rank_of(CHANNEL, [FOUND | other]) is None
    assert verdict(CHANNEL | {"why": "too few"}, [FOUND | other]) == (False, "- | - | missed: too few")


def test_a_wrong_interval_is_said() -> None:
    assert verdict(CHANNEL, [FOUND]) == (True, "1 of 1 | 0.90 high | 61 s")
    assert "wrong" in verdict(CHANNEL, [FOUND | {"interval_s": 9.0}])[1]


def test_what_the_rebuilding_made_does_not_count() -> None:
    made = FOUND | {"reasons": [INSIDE]}
    assert verdict(CHANNEL, [made])[0]
    assert not verdict(CHANNEL | {"rebuilt": True}, [made])[0]
    assert verdict(CHANNEL | {"rebuilt": True}, [FOUND])[0]


def test_every_label_is_whole_and_there_once() -> None:
    labels = tomllib.loads(LABELS.read_text(encoding="utf-8"))
    needed = {"capture", "what", "host", "dests", "port", "callbacks", "form"}
    known = needed | {"interval_s", "internal", "why", "rebuilt"}
    assert all(needed <= channel.keys() <= known for channel in labels["channel"])
    keys = [(c["capture"], c["host"], *c["dests"], c["port"]) for c in labels["channel"]]
    assert len(set(keys)) == len(keys)

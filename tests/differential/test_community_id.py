"""The community_id column of the lake against the reference package, over every capture of Zeek's tests."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import communityid
import pytest
from communityid import icmp, icmp6

from sensor.capture.reader import open_capture
from sensor.constants import PROTO_ICMP, PROTO_ICMP6, PROTO_SCTP, PROTO_TCP, PROTO_UDP
from sensor.decode.decoder import Decoder
from sensor.flows.out import N_FLOWS
from sensor.flows.pool import texts
from sensor.flows.tracker import FlowTracker
from sensor.segments import Columns
from sensor.store.columnar import Column


def words(column: Column) -> list[str]:
    raw, ends = column.data.tobytes(), column.offsets.tolist()
    return [raw[start:end].decode() for start, end in pairwise(ends)]


def reference(proto: int, orig: str, orig_port: int, resp: str, resp_port: int) -> str:
    if proto in (PROTO_TCP, PROTO_UDP, PROTO_SCTP):
        flow = communityid.FlowTuple(proto, orig, resp, orig_port, resp_port)
    elif proto in (PROTO_ICMP, PROTO_ICMP6):
        mapper = icmp.TYPE_MAPPER if proto == PROTO_ICMP else icmp6.TYPE_MAPPER
        code = 0 if orig_port in mapper else resp_port  # beside a type that has an answer stands that answer's type
        flow = communityid.FlowTuple(proto, orig, resp, orig_port, code)
    else:
        flow = communityid.FlowTuple(proto, orig, resp)
    return str(communityid.CommunityID().calc(flow))


class Ids:
    """A sink that keeps (protocol, our id, the reference's id) of every flow."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, str, str]] = []

    def __call__(self, out: Any, pool: Any) -> None:
        rows = out.flows[: int(out.n[N_FLOWS])]
        if len(rows) == 0:
            return
        columns = {column.name: column for column in Columns("x").flows(rows, pool, out.facts)}
        pooled = texts(pool)
        for row, ours in zip(rows, words(columns["community_id"]), strict=True):
            ends = (pooled[row["orig_ip_id"]], int(row["orig_port"]), pooled[row["resp_ip_id"]], int(row["resp_port"]))
            self.rows.append((int(row["proto"]), ours, reference(int(row["proto"]), *ends)))


@pytest.mark.differential
def test_community_ids_of_flow_rows_equal_the_reference(shared_data: Path) -> None:
    ids = Ids()
    for path in sorted((shared_data / "oracles" / "zeek").iterdir()):
        decoder, tracker = Decoder(), FlowTracker(ids, max_flows=1 << 12, buffer_rows=1 << 12)
        for batch in open_capture(str(path)).batches():
            tracker.add(batch, decoder.decode(batch))
        tracker.finish()
    assert len(ids.rows) > 200
    assert {proto for proto, _, _ in ids.rows} >= {PROTO_TCP, PROTO_UDP, PROTO_ICMP, PROTO_ICMP6, PROTO_SCTP}
    assert [row for row in ids.rows if row[1] != row[2]] == []

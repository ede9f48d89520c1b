"""Flow history as columns: what the egress analyzers read."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray


@dataclass(slots=True)
class FlowTable:
    """n flows, one column a field; names and meanings are those of the flow row.

    orig_ip, resp_ip : canonical text
    resp_port : int64[n]; ICMP: the code
    proto : lower case: tcp, udp, icmp, ...
    name, app, via_proxy : text, may be empty; via_proxy is set on what was asked of a proxy
    conn_state : Zeek's states
    orig_pkts, resp_pkts, orig_bytes, resp_bytes : int64[n]; bytes are payload
    first_ts, last_ts : int64[n], nanoseconds since 1970 UTC
    """

    orig_ip: Sequence[str]
    resp_ip: Sequence[str]
    resp_port: NDArray[np.int64]
    proto: Sequence[str]
    name: Sequence[str]
    app: Sequence[str]
    conn_state: Sequence[str]
    orig_pkts: NDArray[np.int64]
    resp_pkts: NDArray[np.int64]
    orig_bytes: NDArray[np.int64]
    resp_bytes: NDArray[np.int64]
    first_ts: NDArray[np.int64]
    last_ts: NDArray[np.int64]
    via_proxy: Sequence[str]
    uid: Sequence[str]

    def __len__(self) -> int:
        return len(self.orig_ip)

    def check(self) -> None:
        """Raise ValueError when the columns are not all of one length."""
        for column in fields(self):
            if len(getattr(self, column.name)) != len(self):
                raise ValueError(f"{column.name} has {len(getattr(self, column.name))} rows for {len(self)} flows")

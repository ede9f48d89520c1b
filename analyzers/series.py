"""The event times and sizes of many channels, one after the other in flat arrays: what the beacon analyzer reads."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(slots=True)
class Series:
    """Channel i has the events off[i]:off[i + 1]; n channels, m events.

    off : int64[n + 1], ascending from 0 to m
    ts_ns : int64[m], nanoseconds since 1970 UTC, ascending within a channel
    orig_bytes, resp_bytes : int64[m], payload bytes of the request and of the answer, 0 or more
    duration_s : float64[m], seconds
    answered : bool[m]
    orig_ip : n client addresses, canonical text
    dest : n destinations by their best name, or the address
    dest_ips : n tuples of the addresses the destination had, canonical text; behind a proxy the proxy's
    resp_port : n ports
    proto : n protocols in lower case: tcp, udp, icmp, ...
    name_source : n of proxy, sni, quic, http, dns, none
    via_proxy : n texts, empty where no proxy was in between
    kind : n of connection, exchange, reply, request, query, attempt: the commonest among the channel's events
    ja4 : n fingerprints of the TLS client, empty where a channel has none or several; or nothing: not known of any
    certificate : n SHA-256 of the server's certificate, likewise
    """

    off: NDArray[np.int64]
    ts_ns: NDArray[np.int64]
    orig_bytes: NDArray[np.int64]
    resp_bytes: NDArray[np.int64]
    duration_s: NDArray[np.float64]
    answered: NDArray[np.bool_]
    orig_ip: Sequence[str]
    dest: Sequence[str]
    dest_ips: Sequence[tuple[str, ...]]
    resp_port: Sequence[int]
    proto: Sequence[str]
    name_source: Sequence[str]
    via_proxy: Sequence[str]
    kind: Sequence[str]
    ja4: Sequence[str] = ()
    certificate: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.off) - 1

    def check(self) -> None:
        """Raise ValueError where lengths, offsets or the order of times contradict what is promised above."""
        n, m = len(self), len(self.ts_ns)
        if n < 0 or self.off[0] != 0 or self.off[-1] != m or (np.diff(self.off) < 0).any():
            raise ValueError(f"off must ascend from 0 to the {m} events")
        columns: tuple[str, ...] = ("orig_bytes", "resp_bytes", "duration_s", "answered")
        for name in columns:
            if len(getattr(self, name)) != m:
                raise ValueError(f"{name} has {len(getattr(self, name))} rows for {m} events")
        columns = ("orig_ip", "dest", "dest_ips", "resp_port", "proto", "name_source", "via_proxy", "kind")
        for name in columns:
            if len(getattr(self, name)) != n:
                raise ValueError(f"{name} has {len(getattr(self, name))} rows for {n} channels")
        for name in ("ja4", "certificate"):
            if len(getattr(self, name)) not in (0, n):
                raise ValueError(f"{name} has {len(getattr(self, name))} rows for {n} channels")
        falls = self.ts_ns[1:] < self.ts_ns[:-1]  # a difference may be more than 64 bits hold
        starts = self.off[1:-1]
        starts = starts[(starts > 0) & (starts < m)]
        falls[starts - 1] = False  # from one channel to the next, time may go anywhere
        if falls.any():
            raise ValueError("ts_ns must ascend within each channel")


def destination(series: Series, i: int) -> tuple[str, bool]:
    """What channel i is compared with others by: the destination, and whether it is only asked about in DNS.

    A question for a name and a connection to it are different things to do: in size, in number, and in who does them.
    """
    return series.dest[i], series.kind[i] == "query"

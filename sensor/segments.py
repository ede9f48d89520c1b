"""Rows to columns: what the lake keeps of finished flows, events and DNS rows.

In: rows of one buffer and the text pool their numbers refer to. Out: columns by their contract names (DESIGN section
4). Texts become dictionary words; nothing is decoded on the way.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sensor.constants import APP_NAMES, PROTO_NAMES, TUNNEL_NAMES
from sensor.flows.rows import CONN_STATES, END_NAMES, KIND_NAMES, NOTE_NAMES, SOURCE_NAMES
from sensor.flows.state import N_DNS, N_EVENTS, N_FLOWS
from sensor.flows.words import UID_BYTES, cut, uids, words
from sensor.protocols.community_id import TEXT_BYTES, community_ids
from sensor.protocols.dns_codes import qtype_name, rcode_name
from sensor.store.columnar import Column, bools, coded, floats, ints, text

TABLES = ("flow", "event", "dns")
Maker = Callable[[NDArray[np.void], Any, NDArray[np.void]], list[Column]]
"""Makes the columns of rows, given the text pool and the facts they refer to."""

_TLS_VERSIONS = {
    0: "",
    0x0002: "SSLv2",
    0x0300: "SSLv3",
    **{0x0301 + minor: f"TLSv1{minor}" for minor in range(4)},
    0xFEFF: "DTLSv10",
    0xFEFD: "DTLSv12",
    0xFEFC: "DTLSv13",
}
"""Zeek's names."""
_FACT_COLUMNS = (
    ("ja3s", "ja3s_id"),
    ("hassh", "hassh_id"),
    ("cert_subject", "subject_id"),
    ("cert_issuer", "issuer_id"),
    ("cert_sha256", "cert_id"),
    ("forwarded_for", "forwarded_id"),
    ("via", "via_id"),
)


def finished_rows(out: Any, columns: "Columns") -> Iterator[tuple[str, NDArray[np.void], Maker]]:
    """What a tracker's buffers hold, table by table: its name, its rows, and what makes columns of them."""
    yield "flow", out.flows[: int(out.n[N_FLOWS])], columns.flows
    yield "event", out.events[: int(out.n[N_EVENTS])], columns.events
    yield "dns", out.dns[: int(out.n[N_DNS])], columns.dns


def by_bucket(rows: NDArray[np.void], *, keeps: bool = False) -> Iterator[NDArray[np.void]]:
    """The rows of each bucket, in their order: a file of the lake. One at a time, so that their columns stay in cache.

    rows : FLOW_OUT[n], EVENT_OUT[n] or DNS_OUT[n]
    keeps : whether what is given stays; else the next bucket overwrites it
    """
    order = np.argsort(rows["bucket"], kind="stable")
    sizes = np.bincount(rows["bucket"])
    mine = np.empty(0 if keeps else sizes.max(initial=0), rows.dtype)
    start = 0
    for size in sizes.tolist():
        if size:
            place = np.empty(size, rows.dtype) if keeps else mine[:size]
            yield np.take(rows, order[start : start + size], out=place, mode="clip")
        start += size


class Columns:
    """Makes the columns of one capture; `source` is its file or interface name."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._marks = np.zeros(0, np.int32)

    def _pooled(self, name: str, numbers: NDArray[np.uint32], pool: Any) -> Column:
        if len(self._marks) < len(pool.off):
            self._marks = np.zeros(len(pool.off), np.int32)
        codes = np.empty(len(numbers), np.int32)
        used = np.empty(min(len(numbers), len(pool.off)), np.int64)
        used = used[: words(numbers, self._marks, codes, used)]
        offsets = np.zeros(len(used) + 1, np.int64)
        np.cumsum(pool.off[used + 1] - pool.off[used], out=offsets[1:])
        data = np.empty(int(offsets[-1]), np.uint8)
        cut(pool.text, pool.off, used, offsets, data)
        return coded(name, codes, offsets, data)

    def _constant(self, name: str, word: str, n: int) -> Column:
        return _named(name, np.zeros(n, np.int32), (word,))

    def flows(self, rows: NDArray[np.void], pool: Any, facts: NDArray[np.void]) -> list[Column]:
        """Columns of the flow table. rows : FLOW_OUT[n]; facts : FACT[], what their `facts` fields number"""
        n = len(rows)
        mine = facts[rows["facts"]]
        ids = np.empty((n, TEXT_BYTES), np.uint8)
        community_ids(
            *(np.ascontiguousarray(rows[f]) for f in ("orig_hi", "orig_lo", "resp_hi", "resp_lo")),
            *(np.ascontiguousarray(rows[f]) for f in ("orig_port", "resp_port", "proto")),
            ids,
        )
        return [
            _uid_column(rows),
            text("community_id", np.arange(n + 1, dtype=np.int64) * TEXT_BYTES, ids.ravel()),
            ints("first_ts", rows["first_ts"]),
            ints("last_ts", rows["last_ts"]),
            floats("duration_s", (rows["last_ts"] - rows["first_ts"]) * 1e-9),
            _protos(rows),
            self._pooled("orig_ip", rows["orig_ip_id"], pool),
            ints("orig_port", rows["orig_port"]),
            self._pooled("resp_ip", rows["resp_ip_id"], pool),
            ints("resp_port", rows["resp_port"]),
            ints("vlan_id", rows["vlan_id"]),
            self._pooled("name", rows["name_id"], pool),
            _named("name_source", rows["name_source"], SOURCE_NAMES),
            _named("app", rows["app"], APP_NAMES),
            self._pooled("via_proxy", rows["proxy_id"], pool),
            self._pooled("ja3", mine["ja3_id"], pool),
            self._pooled("ja4", mine["ja4_id"], pool),
            self._pooled("user_agent", rows["agent_id"], pool),
            _named("conn_state", rows["conn_state"], CONN_STATES),
            self._pooled("history", rows["history_id"], pool),
            *(ints(f, rows[f]) for f in ("orig_pkts", "resp_pkts", "orig_bytes", "resp_bytes")),
            *(ints(f, rows[f]) for f in ("orig_ip_bytes", "resp_ip_bytes")),
            _named("end_reason", rows["end_reason"], END_NAMES),
            self._constant("source", self._source, n),
            _named("tunnel", rows["tunnel"], TUNNEL_NAMES),
            *self._fact_columns(mine, pool),
            bools("resolved", rows["resolved"]),
            _notes(rows),
            self._pooled("hassh_server", mine["hassh_server_id"], pool),
        ]

    def _fact_columns(self, facts: NDArray[np.void], pool: Any) -> list[Column]:
        """Columns of what only some flows have. facts : FACT[n], those of each flow"""
        versions, codes = np.unique(facts["tls_version"], return_inverse=True)
        return [
            self._pooled("sni", facts["sni_id"], pool),
            self._pooled("alpn", facts["alpn_id"], pool),
            _named("tls_version", codes, tuple(_TLS_VERSIONS.get(int(v), f"{v:#06x}") for v in versions)),
            *(self._pooled(name, facts[field], pool) for name, field in _FACT_COLUMNS),
        ]

    def events(self, rows: NDArray[np.void], pool: Any, _facts: NDArray[np.void]) -> list[Column]:
        """Columns of the event table. rows : EVENT_OUT[n]"""
        n = len(rows)
        return [
            ints("ts", rows["ts"]),
            _uid_column(rows),
            self._pooled("orig_ip", rows["orig_ip_id"], pool),
            self._pooled("resp_ip", rows["resp_ip_id"], pool),
            ints("resp_port", rows["resp_port"]),
            _protos(rows),
            self._pooled("dest", rows["dest_id"], pool),
            _named("name_source", rows["name_source"], SOURCE_NAMES),
            _named("kind", rows["kind"], KIND_NAMES),
            ints("orig_bytes", rows["orig_bytes"]),
            ints("resp_bytes", rows["resp_bytes"]),
            floats("duration_s", rows["duration_ns"] * 1e-9),
            self._pooled("via_proxy", rows["proxy_id"], pool),
            bools("answered", rows["answered"]),
            self._pooled("method", rows["method_id"], pool),
            self._pooled("uri", rows["uri_id"], pool),
            self._pooled("user_agent", rows["agent_id"], pool),
            self._pooled("ja4", rows["ja4_id"], pool),
            self._constant("source", self._source, n),
            ints("status", rows["status"]),
            self._pooled("content_type", rows["content_id"], pool),
        ]

    def dns(self, rows: NDArray[np.void], pool: Any, _facts: NDArray[np.void]) -> list[Column]:
        """Columns of the DNS table. rows : DNS_OUT[n]"""
        kinds, kind_codes = np.unique(rows["qtype"], return_inverse=True)
        rcodes, rcode_codes = np.unique(rows["rcode"], return_inverse=True)
        return [
            ints("ts", rows["ts"]),
            self._pooled("orig_ip", rows["orig_ip_id"], pool),
            self._pooled("resp_ip", rows["resp_ip_id"], pool),
            self._pooled("qname", rows["qname_id"], pool),
            _named("qtype", kind_codes, tuple(qtype_name(int(k)) for k in kinds)),
            _named("rcode", rcode_codes, tuple(rcode_name(int(r)) if r >= 0 else "" for r in rcodes)),
            self._pooled("answers", rows["answers_id"], pool),
            ints("ttl", rows["ttl"].astype(np.int64)),
            self._constant("source", self._source, len(rows)),
            _named("app", rows["app"], APP_NAMES),
            _protos(rows),
        ]


def _named(name: str, codes: NDArray[np.integer], words: tuple[str, ...]) -> Column:
    """A column whose codes stand for fixed words."""
    encoded = [word.encode() for word in words]
    offsets = np.zeros(len(words) + 1, np.int64)
    np.cumsum([len(word) for word in encoded], out=offsets[1:])
    return coded(name, codes.astype(np.int32), offsets, np.frombuffer(b"".join(encoded), np.uint8))


def _notes(rows: NDArray[np.void]) -> Column:
    """The words of the bits in `notes`."""
    present, codes = np.unique(rows["notes"], return_inverse=True)
    texts = (" ".join(word for bit, word in enumerate(NOTE_NAMES) if int(bits) >> bit & 1) for bits in present)
    return _named("notes", codes, tuple(texts))


def _protos(rows: NDArray[np.void]) -> Column:
    """Names of IP protocols; those without a name of their own by number."""
    present = np.unique(rows["proto"])
    place = np.zeros(256, np.int32)
    place[present] = np.arange(len(present))
    return _named("proto", place[rows["proto"]], tuple(PROTO_NAMES.get(int(p), f"ip-{p}") for p in present))


def _uid_column(rows: NDArray[np.void]) -> Column:
    out = np.empty((len(rows), UID_BYTES), np.uint8)
    uids(np.ascontiguousarray(rows["uid_hi"]), np.ascontiguousarray(rows["uid_lo"]), out)
    return text("uid", np.arange(len(rows) + 1, dtype=np.int64) * UID_BYTES, out.ravel())

"""The columns of every table that kagami keeps: name, type, unit and meaning, in the order they are shown and stored.

Source: the contract in docs/data-dictionary.md, which a test compares with this module. Names and meanings are Zeek's
where Zeek has them. The lake (Parquet) and the results database (SQLite) are both built from these lists.
This module imports nothing heavy: query commands load it.
"""

from dataclasses import dataclass
from typing import Literal

ColumnType = Literal["text", "int32", "int64", "double", "bool", "json"]


@dataclass(frozen=True, slots=True)
class Field:
    """One column.

    unit : empty where there is none
    since : the store's schema version that brought it; segments written before lack it
    before : text that rows of such segments read as; for other types it is 0 or false
    """

    name: str
    type: ColumnType
    unit: str
    meaning: str
    since: int = 1
    before: str = ""

    @property
    def absent(self) -> str:
        """What rows of segments that lack the column read as, as an SQL literal."""
        if self.type == "text":
            return f"'{self.before}'"
        return "false" if self.type == "bool" else "0"


FLOW = (
    Field("uid", "text", "", "Identifier of the connection; a long flow reported in parts keeps it."),
    Field("community_id", "text", "", "Community ID version 1 (seed 0) of addresses, ports and protocol."),
    Field("first_ts", "int64", "ns since 1970 UTC", "Time of the first packet of this report."),
    Field("last_ts", "int64", "ns since 1970 UTC", "Time of the last packet of this report."),
    Field("duration_s", "double", "s", "Time from the first to the last packet."),
    Field("proto", "text", "", "Transport protocol: tcp, udp, icmp (both versions), sctp, or ip- and the number."),
    Field("orig_ip", "text", "", "Address of the originator, in canonical text."),
    Field("orig_port", "int32", "", "Port of the originator; ICMP: the type."),
    Field("resp_ip", "text", "", "Address of the responder, in canonical text."),
    Field("resp_port", "int32", "", "Port of the responder; ICMP: the counterpart type or the code, as Zeek has it."),
    Field("vlan_id", "int32", "", "Outermost 802.1Q id, 0 for none."),
    Field("name", "text", "", "Best name known of the responder, empty when none is."),
    Field("name_source", "text", "", "Where the name comes from: proxy, sni, quic, http, dns, none."),
    Field("app", "text", "", "Application protocol: tls, quic, http, dns, ssh, ... or empty."),
    Field("via_proxy", "text", "", "The proxy that carried it, as address:port, or empty."),
    Field("ja3", "text", "", "JA3 fingerprint of the TLS client, or empty."),
    Field("ja4", "text", "", "JA4 fingerprint of the TLS or QUIC client, or empty."),
    Field("user_agent", "text", "", "First HTTP User-Agent, else SSH version, or RDP cookie (mstshash=...), or empty."),
    Field("conn_state", "text", "", "Zeek's connection state: S0 S1 SF REJ S2 S3 RSTO RSTR RSTOS0 RSTRH SH SHR OTH."),
    Field("history", "text", "", "Zeek's history letters: upper case the originator, lower case the responder."),
    Field("orig_pkts", "int64", "packets", "Packets of the originator."),
    Field("resp_pkts", "int64", "packets", "Packets of the responder."),
    Field("orig_bytes", "int64", "bytes", "Payload of the originator; TCP by sequence numbers: each byte counts once."),
    Field("resp_bytes", "int64", "bytes", "Payload of the responder; TCP by sequence numbers: each byte counts once."),
    Field("orig_ip_bytes", "int64", "bytes", "Sum of the IP total lengths of the originator's packets."),
    Field("resp_ip_bytes", "int64", "bytes", "Sum of the IP total lengths of the responder's packets."),
    Field("end_reason", "text", "", "Why the flow was reported: idle, active, end, forced, evicted."),
    Field("source", "text", "", "Name of the capture file, or the interface."),
    Field("tunnel", "text", "", "The tunnel it came out of: gre, erspan, vxlan, geneve, ipip, 6in4, ... or empty."),
    Field("sni", "text", "", "Server name in the client's own TLS or QUIC hello, or empty.", since=2),
    Field("alpn", "text", "", "ALPN: the server's choice where it is in the clear, else the client's first.", since=2),
    Field("tls_version", "text", "", "Version of TLS as Zeek has it: TLSv12, TLSv13, DTLSv12, ... or empty.", since=2),
    Field("ja3s", "text", "", "JA3S fingerprint of the TLS server's answer, or empty.", since=2),
    Field("hassh", "text", "", "HASSH fingerprint of the SSH client, or empty.", since=2),
    Field("cert_subject", "text", "", "Subject of the server's certificate; TLS 1.3 hides it. Or empty.", since=2),
    Field("cert_issuer", "text", "", "Issuer of the server's certificate, or empty.", since=2),
    Field("cert_sha256", "text", "", "SHA-256 of the server's certificate, in hexadecimal, or empty.", since=2),
    Field("forwarded_for", "text", "", "Clients named in X-Forwarded-For or Forwarded of requests, or empty.", since=2),
    Field("via", "text", "", "Proxies that requests or answers name in Via, or empty.", since=2),
    Field("resolved", "bool", "", "Whether a DNS answer with the responder's address was seen before.", since=2),
    Field("notes", "text", "", "What is odd about it: words of a fixed list, joined by spaces, or empty.", since=2),
    Field("hassh_server", "text", "", "hasshServer fingerprint of the SSH server, or empty.", since=10),
)

EVENT = (
    Field("ts", "int64", "ns since 1970 UTC", "Time at which the exchange began; of a reply, what it replies to."),
    Field("uid", "text", "", "The flow it happened in."),
    Field("orig_ip", "text", "", "Address of the client."),
    Field("resp_ip", "text", "", "Address that was contacted."),
    Field("resp_port", "int32", "", "Port of the destination."),
    Field("proto", "text", "", "Transport protocol, as in flow."),
    Field("dest", "text", "", "The channel's destination: the best name known, else the address."),
    Field("name_source", "text", "", "Where the destination's name comes from: proxy, sni, quic, http, dns, none."),
    Field("kind", "text", "", "What happened: connection, exchange, reply, request, query, attempt."),
    Field("orig_bytes", "int64", "bytes", "Payload of the client in this exchange."),
    Field("resp_bytes", "int64", "bytes", "Payload of the responder in this exchange."),
    Field("duration_s", "double", "s", "How long the exchange lasted."),
    Field("via_proxy", "text", "", "The proxy that carried it, as address:port, or empty."),
    Field("answered", "bool", "", "Whether the responder answered."),
    Field("method", "text", "", "HTTP method, or empty."),
    Field("uri", "text", "", "HTTP request target, or empty."),
    Field("user_agent", "text", "", "HTTP User-Agent, or empty."),
    Field("ja4", "text", "", "JA4 fingerprint of the client, or empty."),
    Field("source", "text", "", "Name of the capture file, or the interface."),
    Field("status", "int32", "", "HTTP status of the answer, 0 for none.", since=2),
    Field("content_type", "text", "", "HTTP Content-Type of the answer, or empty.", since=2),
)

DNS = (
    Field("ts", "int64", "ns since 1970 UTC", "Time of the question, or of the answer when no question was seen."),
    Field("orig_ip", "text", "", "Address of the client that asked."),
    Field("resp_ip", "text", "", "Address of the resolver."),
    Field("qname", "text", "", "Name asked for."),
    Field("qtype", "text", "", "Type asked for: A, AAAA, TXT, TYPE65, ..."),
    Field("rcode", "text", "", "Result: NOERROR, NXDOMAIN, ...; empty when unanswered."),
    Field("answers", "text", "", "Answers, joined by commas, or what a registration (nbns) asks to have; else empty."),
    Field("ttl", "int64", "s", "Smallest time to live of the answers, -1 when there were none."),
    Field("source", "text", "", "Name of the capture file, or the interface."),
    Field("app", "text", "", "How it was asked: dns, mdns, llmnr, nbns.", since=2, before="dns"),
    Field("proto", "text", "", "Transport protocol: udp, tcp; empty where it was not noted.", since=2),
)

FINDING = (
    Field("id", "int64", "", "Number of the finding; the same suspicious thing keeps it."),
    Field("analyzer", "text", "", "Which analyzer judged: beacon, bypass, ..."),
    Field("orig_ip", "text", "", "The client."),
    Field("dest", "text", "", "The channel's destination."),
    Field("dest_ips", "json", "", "Addresses the destination had, a list."),
    Field("resp_port", "int32", "", "Port of the destination."),
    Field("proto", "text", "", "Transport protocol."),
    Field("score", "double", "0 to 1", "How suspicious it is."),
    Field("severity", "text", "", "low, medium, high or critical."),
    Field("first_ts", "int64", "ns since 1970 UTC", "First event that belongs to it, over all analyses."),
    Field("last_ts", "int64", "ns since 1970 UTC", "Last event that belongs to it, over all analyses."),
    Field("events", "int64", "events", "How many events it was judged on."),
    Field("interval_s", "double", "s", "The interval at which it repeats; 0 when it has none."),
    Field("jitter_frac", "double", "fraction", "Spread of the intervals as a fraction of the interval."),
    Field("via_proxy", "text", "", "The proxy that carried it, as address:port, or empty."),
    Field("outcome", "text", "", "Egress: established, half, refused, unanswered; else empty."),
    Field("reasons", "json", "", "Why, in plain sentences with their numbers, a list."),
    Field("techniques", "json", "", "MITRE ATT&CK ids, a list."),
    Field("state", "text", "", "Triage: new, investigating, confirmed, false-positive, resolved."),
    Field("note", "text", "", "What the person who triaged it wrote."),
)

FINDING_CHANNEL = (
    Field("dest", "text", "", "The channel's destination."),
    Field("dest_ips", "json", "", "Addresses the destination had, a list."),
    Field("resp_port", "int32", "", "Port of the destination."),
    Field("proto", "text", "", "Transport protocol."),
    Field("via_proxy", "text", "", "The proxy that carried it, as address:port, or empty."),
    Field("outcome", "text", "", "The best outcome of its connections."),
    Field("events", "int64", "events", "How many connections it had."),
    Field("orig_bytes", "int64", "bytes", "What the client sent."),
    Field("resp_bytes", "int64", "bytes", "What it received."),
    Field("first_ts", "int64", "ns since 1970 UTC", "Its first connection, over all analyses."),
    Field("last_ts", "int64", "ns since 1970 UTC", "Its last connection, over all analyses."),
    Field("label", "text", "", "A benign explanation that lowered its weight, or empty."),
)
"""A channel beneath a finding; the table `finding_channel` has its finding's id before."""

FINDING_PART = (
    Field("name", "text", "", "What raised or lowered the score."),
    Field("amount", "double", "", "By how much, in the unit beside it; below 0 it lowered the score."),
    Field("unit", "text", "", "score: points of the score; log odds: of which the beacon model makes its score."),
)
"""A part of a finding's score; the table `finding_part` has its finding's id and a number before."""

HOST = (
    Field("ip", "text", "", "Address of the host."),
    Field("names", "json", "", "What it calls itself in DHCP and NetBIOS, and DNS, mDNS and LLMNR call it, a list."),
    Field("macs", "json", "", "MAC addresses that ARP and DHCP told of it, the newest first, a list."),
    Field("vendor", "text", "", "Who made the network card of the newest, by its prefix; empty for locally made ones."),
    Field("role", "text", "", "Its role by the site file; with a question mark where it is guessed; or empty."),
    Field("first_ts", "int64", "ns since 1970 UTC", "First seen in the span."),
    Field("last_ts", "int64", "ns since 1970 UTC", "Last seen in the span."),
    Field("flows", "int64", "flows", "Flows that it began."),
    Field("services", "json", "", "Well-known services that it answers to other hosts inside, a list."),
    Field("proxies", "json", "", "Proxies that it asks, as address:port, a list."),
    Field("direct_frac", "double", "0 to 1", "Share of its connections to the outside that no proxy carried."),
)
"""What `kagami hosts` tells of a host; made when it is asked, never stored."""
TRIAGE = (
    Field("id", "int64", "", "Number of the entry, in the order they were made."),
    Field("finding_id", "int64", "", "The finding."),
    Field("made_ts", "int64", "ns since 1970 UTC", "When it was said."),
    Field("who", "text", "", "Who said it."),
    Field("state", "text", "", "The state it was given."),
    Field("note", "text", "", "Why, in that person's words; empty where nothing was said."),
)

ALLOW = (
    Field("id", "int64", "", "Number of the entry."),
    Field("dest", "text", "", "What is allowed: an address, a network, a domain with what is under it, or any."),
    Field("resp_port", "int32", "", "At this port only; -1: at any."),
    Field("hosts", "json", "", "From these addresses and networks only, a list; empty: from any host."),
    Field("reason", "text", "", "Why."),
    Field("who", "text", "", "Who allowed it."),
    Field("made_ts", "int64", "ns since 1970 UTC", "Since when."),
    Field("expires_ts", "int64", "ns since 1970 UTC", "Until when; nothing: for good."),
    Field("removed_ts", "int64", "ns since 1970 UTC", "When it was taken back; nothing: it was not."),
    Field("removed_by", "text", "", "Who took it back, or empty."),
)

WATCH = (
    Field("id", "int64", "", "Number of the entry."),
    Field("kind", "text", "", "What the value is: address, network, domain, url, ja3, ja4, user-agent, certificate."),
    Field("value", "text", "", "The value as it is looked for."),
    Field("origin", "text", "", "Where it comes from: a file, a feed, a person."),
    Field("reason", "text", "", "What is known of it."),
    Field("who", "text", "", "Who put it there."),
    Field("made_ts", "int64", "ns since 1970 UTC", "Since when."),
    Field("expires_ts", "int64", "ns since 1970 UTC", "Until when; nothing: for good."),
)

BLOCKLIST = (
    Field("id", "int64", "", "Number of the list, in the order they were written."),
    Field("made_ts", "int64", "ns since 1970 UTC", "When it was written."),
    Field("who", "text", "", "Who wrote it."),
    Field("format", "text", "", "Its format."),
    Field("path", "text", "", "The file it was written to."),
    Field("serial", "int64", "", "Its serial number, which rises with every list of a format."),
    Field("sha256", "text", "", "SHA-256 of the file, in hexadecimal."),
    Field("entries", "json", "", "The values with what is known of each, a list of objects."),
)

HEALTH_SINCE, HEALTH_KEEPS_SINCE = 5, 8
"""The schema versions that brought health, and what it tells of kept packets."""

HEALTH = (
    Field("source", "text", "", "The live capture, as in the table source."),
    Field("number", "int64", "", "Number of the interval, from 0 on."),
    Field("ts", "int64", "ns since 1970 UTC", "When the interval began, by the sensor's clock."),
    Field("span_s", "double", "s", "How long it lasted; the newest one is still going on."),
    Field("state", "text", "", "The interface at its end: up, no-carrier, down, gone, stopped."),
    Field("packets", "int64", "packets", "Packets taken from the ring."),
    Field("bytes", "int64", "bytes", "Their length on the wire, without VLAN tags that the kernel took off."),
    Field("seen", "int64", "packets", "Packets that passed the filter by the kernel's count, those dropped included."),
    Field("dropped", "int64", "packets", "Packets that the kernel dropped because the ring was full."),
    Field("freezes", "int64", "", "Times that the ring was full."),
    Field("nic_dropped", "int64", "packets", "Packets that the interface dropped itself, by its own counters."),
    Field("ring_frac", "double", "fraction", "Highest share of the ring that waited to be read."),
    Field("undecoded", "int64", "packets", "Packet rows with an error status; kagami status has them by kind."),
    Field("duplicates", "int64", "packets", "Packets that the mirror showed twice, left out of all counts."),
    Field("flows_live", "int64", "flows", "Flows in the table at the end of the interval."),
    Field("flows_max", "int64", "flows", "Flows the table has room for."),
    Field("evicted", "int64", "flows", "Flows that were reported early because the table was full."),
    Field("tcp_flows", "int64", "flows", "TCP connections reported."),
    Field("one_sided", "int64", "flows", "Those of which the mirror showed one side only."),
    Field("acks", "int64", "packets", "TCP acknowledgements of new bytes, where both sides are seen."),
    Field("ack_gaps", "int64", "packets", "Those of bytes that were never seen: lost before the sensor, or by it."),
    Field("rows", "int64", "rows", "Rows written to the lake."),
    Field("rows_lost", "int64", "rows", "Rows that could not be written: disk full, or too slow."),
    Field("bytes_written", "int64", "bytes", "Bytes written to the lake."),
    Field("flush_s", "double", "s", "The longest time that writing one portion took."),
    Field("words", "json", "", "What happened: the interface's changes, clock steps, reloads; a list."),
    Field("kept", "int64", "packets", "Packets written to the kept captures.", since=HEALTH_KEEPS_SINCE),
    Field("kept_bytes", "int64", "bytes", "Bytes written to them.", since=HEALTH_KEEPS_SINCE),
    Field(
        "kept_lost",
        "int64",
        "packets",
        "Packets that should have been kept and could not: disk full, or too slow.",
        since=HEALTH_KEEPS_SINCE,
    ),
)
"""One row for each minute of a live capture."""

LAKE_TABLES = {"flow": FLOW, "event": EVENT, "dns": DNS}
"""The tables of the lake."""

EVIDENCE_TABLES = {"flow": FLOW, "event": EVENT, "dns_query": DNS}
"""The same tables as the results database calls them, where it keeps copies of rows: `dns` is Zeek's view there."""

DESK_TABLES = {"triage": TRIAGE, "allow": ALLOW, "watch": WATCH, "blocklist": BLOCKLIST}
"""The tables of what people decided. They came together, with schema version DESK_SINCE."""

DESK_SINCE = 4

PARTS_SINCE = 9
"""The schema version from which findings keep what their scores are made of."""

PHRASES_SINCE = 7
"""The schema version from which findings keep what their reasons were made of."""

LAKE_VERSION = max(field.since for fields in LAKE_TABLES.values() for field in fields)
"""The version of the segments that are written now: the newest schema version that brought the lake a column."""

NOTE_WORDS = {
    "ech": "The client's hello was encrypted (ECH): the server name seen is not the one that was meant.",
    "sni-differs": "The server name of the hello is another than the host that the proxy was asked for.",
    "no-lookup": "A public address that no DNS answer gave before, although DNS answers were seen.",
    "names-lost": "A message that may have held names was not whole; an empty name does not mean that there was none.",
    "tor-like-name": "A server name such as Tor makes up, for an address that no DNS answer gave. A hint only.",
    "proxy-refused": "The SOCKS proxy refused: the host asked for was not reached, and its event is an attempt.",
    "unreachable": "An ICMP message told the originator that the destination cannot be reached or is prohibited.",
}
"""The words that `notes` of a flow may hold, and what each says."""

EVENT_KINDS = ("connection", "exchange", "request", "query", "attempt", "reply")
CONN_STATES = ("S0", "S1", "SF", "REJ", "S2", "S3", "RSTO", "RSTR", "RSTOS0", "RSTRH", "SH", "SHR", "OTH")
DNS_APPS = ("dns", "mdns", "llmnr", "nbns")

PARTITION_TS = {"flow": "last_ts", "event": "ts", "dns": "ts"}
"""The column whose UTC day a row is filed under: for a flow the day it was reported."""

N_BUCKETS = 16
"""Client buckets a day of the lake is divided into, by a hash of the client's address."""

MIXED_DAY = "mixed"
"""The day under which rows of senseless times are filed; every reader opens it."""

NANOSECONDS_A_DAY = 86_400_000_000_000

"""How the results database came to its present form: named steps, each applied once, in order, with its record.

The list is append-only: a step that was released is never edited, so it spells its columns out instead of taking them
from `columns`. Each step raises user_version inside its own transaction. Imported only by writers, because sqlite-utils
is slow to import.
"""

from collections.abc import Callable

from sqlite_utils import Database, Migrations

from sensor.store.schema import SCHEMA_VERSION

MIGRATIONS = Migrations("kagami")

_FLOW = {
    "uid": str,
    "community_id": str,
    "first_ts": int,
    "last_ts": int,
    "duration_s": float,
    "proto": str,
    "orig_ip": str,
    "orig_port": int,
    "resp_ip": str,
    "resp_port": int,
    "vlan_id": int,
    "name": str,
    "name_source": str,
    "app": str,
    "via_proxy": str,
    "ja3": str,
    "ja4": str,
    "user_agent": str,
    "conn_state": str,
    "history": str,
    "orig_pkts": int,
    "resp_pkts": int,
    "orig_bytes": int,
    "resp_bytes": int,
    "orig_ip_bytes": int,
    "resp_ip_bytes": int,
    "end_reason": str,
    "source": str,
    "tunnel": str,
}
_EVENT = {
    "ts": int,
    "uid": str,
    "orig_ip": str,
    "resp_ip": str,
    "resp_port": int,
    "proto": str,
    "dest": str,
    "name_source": str,
    "kind": str,
    "orig_bytes": int,
    "resp_bytes": int,
    "duration_s": float,
    "via_proxy": str,
    "answered": int,
    "method": str,
    "uri": str,
    "user_agent": str,
    "ja4": str,
    "source": str,
}
_DNS_QUERY = {
    "ts": int,
    "orig_ip": str,
    "resp_ip": str,
    "qname": str,
    "qtype": str,
    "rcode": str,
    "answers": str,
    "ttl": int,
    "source": str,
}
_FINDING = {
    "id": int,
    "analyzer": str,
    "orig_ip": str,
    "dest": str,
    "dest_ips": str,
    "resp_port": int,
    "proto": str,
    "score": float,
    "severity": str,
    "first_ts": int,
    "last_ts": int,
    "events": int,
    "interval_s": float,
    "jitter_frac": float,
    "via_proxy": str,
    "outcome": str,
    "reasons": str,
    "techniques": str,
    "state": str,
    "note": str,
}


def _step(version: int) -> Callable[[Callable[[Database], None]], Callable[[Database], None]]:
    """Register a step that brings the database to `version`."""

    def register(apply: Callable[[Database], None]) -> Callable[[Database], None]:
        @MIGRATIONS(name=f"{version:04d}_{apply.__name__}")
        def run(db: Database) -> None:
            apply(db)
            db.execute(f"PRAGMA user_version = {version}")

        return apply

    return register


@_step(1)
def results(db: Database) -> None:
    """Sources and their counters, findings with their evidence, channels, hosts, and Zeek's names for them."""
    db.table("meta").create({"key": str, "value": str}, pk="key")
    db.table("source").create(
        {
            "content_hash": str,
            "name": str,
            "path": str,
            "link_types": str,
            "packets": int,
            "bytes": int,
            "first_ts": int,
            "last_ts": int,
            "state": str,
            "error": str,
            "flows": int,
            "events": int,
            "dns": int,
            "kagami_version": str,
        },
        pk="content_hash",
        not_null={"name", "state"},
    )
    db.table("counter").create(
        {"source": str, "kind": str, "name": str, "value": int},
        pk=("source", "kind", "name"),
        foreign_keys=[("source", "source", "content_hash")],
    )
    db.table("finding").create(_FINDING, pk="id", not_null=set(_FINDING) - {"id", "interval_s", "jitter_frac"})
    db.table("finding").create_index(["analyzer", "orig_ip", "dest", "resp_port", "proto"], unique=True)
    db.table("finding").create_index(["score"])
    db.table("flow").create(_FLOW)
    db.table("flow").create_index(["uid", "first_ts", "last_ts", "source"], unique=True)
    db.table("event").create(_EVENT)
    db.table("event").create_index(["uid", "ts", "kind", "dest", "uri", "source"], unique=True)
    db.table("dns_query").create(_DNS_QUERY)
    db.table("dns_query").create_index(["orig_ip", "ts", "resp_ip", "qname", "qtype"], unique=True)
    db.table("finding_flow").create(
        {"finding_id": int, "uid": str},
        pk=("finding_id", "uid"),
        foreign_keys=[("finding_id", "finding", "id")],
    )
    db.table("channel").create(
        {
            "orig_ip": str,
            "dest": str,
            "resp_port": int,
            "proto": str,
            "via_proxy": str,
            "name_source": str,
            "dest_ips": str,
            "first_ts": int,
            "last_ts": int,
            "events": int,
            "orig_bytes": int,
            "resp_bytes": int,
        },
        pk=("orig_ip", "dest", "resp_port", "proto", "via_proxy"),
    )
    db.table("channel").create_index(["dest"])
    db.table("host").create({"ip": str, "first_ts": int, "last_ts": int}, pk="ip")
    _zeek_views(db)


def _zeek_views(db: Database) -> None:
    """Zeek's log names and columns over the evidence, for queries that people bring along. `ts` is in seconds there."""
    ends = 'orig_ip AS "id.orig_h", orig_port AS "id.orig_p", resp_ip AS "id.resp_h", resp_port AS "id.resp_p"'
    db.create_view(
        "conn",
        f"""SELECT first_ts / 1e9 AS ts, uid, {ends}, proto, app AS service, duration_s AS duration, orig_bytes,
        resp_bytes, conn_state, history, orig_pkts, orig_ip_bytes, resp_pkts, resp_ip_bytes, vlan_id AS vlan,
        community_id FROM flow""",
    )
    db.create_view(
        "ssl",
        f"""SELECT first_ts / 1e9 AS ts, uid, {ends}, CASE WHEN name_source IN ('sni', 'quic') THEN name ELSE '' END
        AS server_name, ja3, ja4 FROM flow WHERE app IN ('tls', 'quic')""",
    )
    db.create_view(
        "http",
        """SELECT ts / 1e9 AS ts, uid, orig_ip AS "id.orig_h", resp_ip AS "id.resp_h", resp_port AS "id.resp_p", method,
        dest AS host, uri, user_agent, orig_bytes AS request_body_len, resp_bytes AS response_body_len
        FROM event WHERE method <> ''""",
    )
    db.create_view(
        "dns",
        """SELECT ts / 1e9 AS ts, orig_ip AS "id.orig_h", resp_ip AS "id.resp_h", qname AS query, qtype AS qtype_name,
        rcode AS rcode_name, answers, ttl AS TTLs FROM dns_query""",
    )


@_step(2)
def handshakes(db: Database) -> None:
    """What handshakes and requests tell beyond names, in the evidence and in Zeek's views of it.

    Rows kept before read as empty, like rows of the segments they were copied from.
    """
    texts = ("sni", "alpn", "tls_version", "ja3s", "hassh", "cert_subject", "cert_issuer", "cert_sha256")
    for name in (*texts, "forwarded_for", "via"):
        db.table("flow").add_column(name, str, not_null_default="")
    db.table("flow").add_column("resolved", int, not_null_default=0)
    db.table("flow").add_column("notes", str, not_null_default="")
    db.table("event").add_column("status", int, not_null_default=0)
    db.table("event").add_column("content_type", str, not_null_default="")
    db.table("dns_query").add_column("app", str, not_null_default="dns")
    db.table("dns_query").add_column("proto", str, not_null_default="")
    _zeek_views_of_handshakes(db)


def _zeek_views_of_handshakes(db: Database) -> None:
    """The views `ssl`, `http` and `dns` again, with the columns of Zeek that can now be filled."""
    ends = 'orig_ip AS "id.orig_h", orig_port AS "id.orig_p", resp_ip AS "id.resp_h", resp_port AS "id.resp_p"'
    db.create_view(
        "ssl",
        f"""SELECT first_ts / 1e9 AS ts, uid, {ends}, tls_version AS version, CASE WHEN sni <> '' THEN sni
        WHEN name_source IN ('sni', 'quic') THEN name ELSE '' END AS server_name, alpn AS next_protocol,
        cert_sha256 AS cert_chain_fps, cert_subject AS subject, cert_issuer AS issuer, ja3, ja3s, ja4
        FROM flow WHERE app IN ('tls', 'quic') OR sni <> '' OR tls_version <> ''""",
        replace=True,
    )
    db.create_view(
        "http",
        """SELECT ts / 1e9 AS ts, uid, orig_ip AS "id.orig_h", resp_ip AS "id.resp_h", resp_port AS "id.resp_p", method,
        dest AS host, uri, user_agent, orig_bytes AS request_body_len, resp_bytes AS response_body_len,
        status AS status_code, content_type AS resp_mime_types FROM event WHERE method <> ''""",
        replace=True,
    )
    db.create_view(
        "dns",
        """SELECT ts / 1e9 AS ts, orig_ip AS "id.orig_h", resp_ip AS "id.resp_h", proto, qname AS query,
        qtype AS qtype_name, rcode AS rcode_name, answers, ttl AS TTLs FROM dns_query""",
        replace=True,
    )


@_step(3)
def finding_channels(db: Database) -> None:
    """The channels beneath a finding, and what hosts told of themselves. Findings and hosts kept before have none."""
    db.table("host_fact").create(
        {"ip": str, "kind": str, "value": str, "vendor": str, "first_ts": int, "last_ts": int},
        pk=("ip", "kind", "value"),
    )
    db.table("finding_channel").create(
        {
            "finding_id": int,
            "dest": str,
            "dest_ips": str,
            "resp_port": int,
            "proto": str,
            "via_proxy": str,
            "outcome": str,
            "events": int,
            "orig_bytes": int,
            "resp_bytes": int,
            "first_ts": int,
            "last_ts": int,
            "label": str,
        },
        pk=("finding_id", "dest", "resp_port", "proto", "via_proxy"),
        foreign_keys=[("finding_id", "finding", "id")],
    )


@_step(4)
def desk(db: Database) -> None:
    """What people decide: triage with its history, allow entries, indicators under watch, blocklists written."""
    db.table("triage").create(
        {"id": int, "finding_id": int, "made_ts": int, "who": str, "state": str, "note": str},
        pk="id",
        foreign_keys=[("finding_id", "finding", "id")],
    )
    db.table("triage").create_index(["finding_id"])
    db.table("allow").create(
        {
            **{"id": int, "dest": str, "resp_port": int, "hosts": str, "reason": str, "who": str, "made_ts": int},
            **{"expires_ts": int, "removed_ts": int, "removed_by": str},
        },
        pk="id",
    )
    db.table("watch").create(
        {
            **{"id": int, "kind": str, "value": str, "origin": str, "reason": str, "who": str, "made_ts": int},
            "expires_ts": int,
        },
        pk="id",
    )
    db.table("watch").create_index(["kind", "value"], unique=True)
    db.table("blocklist").create(
        {
            **{"id": int, "made_ts": int, "who": str, "format": str, "path": str, "serial": int, "sha256": str},
            "entries": str,
        },
        pk="id",
    )


@_step(5)
def live(db: Database) -> None:
    """How live captures fared, minute by minute."""
    texts = {"source": str, "state": str, "words": str}
    reals = {"span_s": float, "ring_frac": float, "flush_s": float}
    names = (
        *("source", "number", "ts", "span_s", "state", "packets", "bytes", "seen", "dropped", "freezes", "nic_dropped"),
        *("ring_frac", "undecoded", "duplicates", "flows_live", "flows_max", "evicted", "tcp_flows", "one_sided"),
        *("acks", "ack_gaps", "rows", "rows_lost", "bytes_written", "flush_s", "words"),
    )
    db.table("health").create({name: (texts | reals).get(name, int) for name in names}, pk=("source", "number"))
    db.table("health").create_index(["ts"])


@_step(6)
def outbox(db: Database) -> None:
    """What is to be told about findings, filled by the database itself in the transaction that changes a finding."""
    db.table("outbox").create({"id": int, "ts": int, "finding_id": int, "change": str, "severity": str}, pk="id")
    db.table("outbox").create_index(["finding_id"])
    db.table("outlet").create({"name": str, "sent": int, "sent_ts": int, "failed_ts": int, "error": str}, pk="name")
    note = (
        "INSERT INTO outbox (ts, finding_id, change, severity) "
        "VALUES (CAST(strftime('%s', 'now') AS INTEGER) * 1000000000, NEW.id"
    )
    grade = "instr('low medium high critical', {})"  # rises with the severity
    db.execute(f"CREATE TRIGGER finding_is_new AFTER INSERT ON finding BEGIN {note}, 'new', NEW.severity); END")
    # windows of different length judge the same finding in turn, so each severity is told once
    db.execute(
        f"""CREATE TRIGGER finding_is_graver AFTER UPDATE OF severity ON finding
        WHEN NEW.severity <> OLD.severity AND NOT EXISTS (SELECT 1 FROM outbox WHERE finding_id = NEW.id
        AND {grade.format("severity")} >= {grade.format("NEW.severity")})
        BEGIN {note}, 'graver', NEW.severity); END"""
    )


@_step(7)
def phrases(db: Database) -> None:
    """What a finding's reasons were made of, for other languages. Findings kept before are told in English only."""
    db.table("finding").add_column("phrases", str, not_null_default="{}")


@_step(8)
def kept_packets(db: Database) -> None:
    """What a live capture keeps of packets, in its health."""
    for name in ("kept", "kept_bytes", "kept_lost"):
        db.table("health").add_column(name, int, not_null_default=0)


@_step(9)
def finding_parts(db: Database) -> None:
    """What a finding's score is made of. Findings kept before have none until they are found again."""
    db.table("finding_part").create(
        {"finding_id": int, "number": int, "name": str, "amount": float, "unit": str},
        pk=("finding_id", "number"),
        foreign_keys=[("finding_id", "finding", "id")],
    )


@_step(10)
def ssh_servers(db: Database) -> None:
    """What SSH servers offer, in the evidence."""
    db.table("flow").add_column("hassh_server", str, not_null_default="")


def migrate(db: Database) -> None:
    """Apply the steps that are still missing.

    Raises: sqlite3.Error; the step that failed has left nothing behind.
    """
    MIGRATIONS.apply(db)
    assert db.execute("PRAGMA user_version").fetchone()[0] == SCHEMA_VERSION

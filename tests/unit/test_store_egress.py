"""What left the network, summed up by DuckDB: outcomes, attempts that are one, and a naive twin over random flows."""

from collections import defaultdict
from datetime import UTC, date, datetime, time
from ipaddress import ip_network
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import pytest

from sensor.site import Site
from sensor.store import egress as module
from sensor.store.egress import OUTCOME_SQL, OUTCOMES, Egress
from sensor.store.store import Store
from sensor.workdays import Calendar
from tests.support.lake_rows import DAY_NS, NOON_NS, buckets_of, columns_of, row

S = 10**9
OUT = "198.51.100.7"


def flow(uid: str, **values: Any) -> dict[str, Any]:
    return row(
        "flow",
        uid=uid,
        **{"orig_ip": "10.0.0.20", "resp_ip": OUT, "resp_port": 443, "proto": "tcp", "conn_state": "SF", "orig_pkts": 5,
           "resp_pkts": 5, "orig_bytes": 10, "resp_bytes": 20, "history": "ShADadFf"} | values,
    )  # fmt: skip


SYN = {"conn_state": "S0", "resp_pkts": 0, "orig_bytes": 0, "resp_bytes": 0, "history": "S", "orig_pkts": 1}


@pytest.fixture
def store(tmp_path: Path) -> Any:
    with Store.open(tmp_path / "store", write=True) as opened:
        yield opened


def fill(store: Store, rows: list[dict[str, Any]], table: str = "flow", name: str = "s-0") -> None:
    store.lake.append(table, name, columns_of(table, rows), buckets_of(rows))


def channels(store: Store, site: Site | None = None, **options: Any) -> list[dict[str, Any]]:
    proxies = options.pop("proxies", ())
    with Egress(store, site or Site(), **options) as egress:
        egress.gather(proxies)
        found = [egress.channels(piece) for piece in egress.pieces()]
    return [
        dict(zip(columns, values, strict=True)) for columns in found for values in zip(*columns.values(), strict=True)
    ]


@pytest.mark.parametrize(
    ("values", "outcome"),
    [
        ({}, "established"),
        ({"conn_state": "S1"}, "established"),
        ({"conn_state": "RSTO", "resp_bytes": 0}, "established"),
        ({"conn_state": "RSTR"}, "established"),
        ({"conn_state": "RSTR", "resp_bytes": 0}, "refused"),
        ({"conn_state": "RSTRH", "resp_bytes": 0}, "refused"),
        ({"conn_state": "REJ", "resp_pkts": 1, "resp_bytes": 0, "history": "Sr"}, "refused"),
        (SYN, "unanswered"),
        ({**SYN, "conn_state": "RSTOS0", "history": "SR"}, "unanswered"),
        ({**SYN, "notes": "no-lookup unreachable"}, "refused"),
        ({**SYN, "conn_state": "SH", "history": "SADF"}, "half"),
        ({**SYN, "conn_state": "OTH", "history": "D"}, "half"),
        ({"orig_pkts": 0, "conn_state": "SHR", "history": "^hadf"}, "half"),
        ({"proto": "udp", "conn_state": "S0", "resp_pkts": 0, "history": "D"}, "unanswered"),
        ({"proto": "udp", "conn_state": "S0", "resp_pkts": 0, "history": "D", "notes": "unreachable"}, "refused"),
        ({"proto": "udp", "conn_state": "SF", "history": "Dd", "notes": "unreachable"}, "established"),
        ({"proto": "icmp", "conn_state": "OTH", "history": ""}, "established"),
        ({"proto": "icmp", "conn_state": "OTH", "resp_pkts": 0, "history": ""}, "unanswered"),
    ],
)
def test_outcomes(values: dict[str, Any], outcome: str) -> None:
    names = ("proto", "conn_state", "history", "notes", "orig_pkts", "resp_pkts", "resp_bytes")
    one = flow("C", **values)
    found = duckdb.execute(
        f"SELECT {OUTCOME_SQL} FROM (SELECT {', '.join(f'? AS {name}' for name in names)})",
        [one[name] for name in names],
    ).fetchone()
    assert found is not None
    assert OUTCOMES[found[0]] == outcome


def test_reports_of_one_connection_are_one_with_its_best_outcome(store: Store) -> None:
    later = {"first_ts": NOON_NS + 9 * S, "last_ts": NOON_NS + 20 * S}
    fill(store, [flow("C1", **SYN), flow("C1", **later, **{**SYN, "history": "ADd"}), flow("C2"), flow("C2", **later)])
    (one,) = channels(store)
    assert (one["flows"], one["half"], one["established"], one["unanswered"]) == (2, 1, 1, 0)
    assert (one["orig_bytes"], one["first_ts"], one["last_ts"]) == (20, NOON_NS, NOON_NS + 20 * S)


def test_what_stays_inside_or_went_to_a_proxy_is_not_counted(store: Store) -> None:
    fill(
        store,
        [
            flow("inside", resp_ip="10.0.0.9"),
            flow("multicast", resp_ip="239.255.255.250"),
            flow("from outside", orig_ip="203.0.113.9", resp_ip="10.0.0.20"),
            flow("own cloud proxy", resp_ip="203.0.113.80", resp_port=8080, via_proxy="203.0.113.80:8080"),
            flow("excluded", orig_ip="10.9.0.1"),
            flow("excluded too", resp_ip="192.0.2.1"),
            flow("icmp error", proto="icmp", orig_port=3, resp_port=13, resp_pkts=0),
            flow(
                "foreign proxy",
                resp_ip="203.0.113.81",
                resp_port=8080,
                via_proxy="203.0.113.81:8080",
                name="c2.example",
            ),
        ],
    )
    site = Site(excluded=(ip_network("10.9.0.0/16"), ip_network("192.0.2.0/24")))
    (one,) = channels(store, site, proxies=[("203.0.113.80", 8080)])
    assert (one["dest"], one["is_foreign_proxy"]) == ("203.0.113.81", True)


def test_a_scan_is_told_in_part_and_counted_in_full(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_CHANNELS_OF_PORT", 3)
    rows = [flow(f"C{i}", resp_ip=f"198.51.100.{i}", **SYN) for i in range(1, 11)] + [flow("ok", resp_ip="192.0.2.99")]
    fill(store, rows)
    found = channels(store)
    assert len(found) == 4
    rest = next(one for one in found if not one["dest"])
    assert (rest["n_dests"], rest["flows"], rest["unanswered"]) == (8, 8, 8)
    assert any(one["dest"] == "192.0.2.99" for one in found)  # what got out is told first


def test_hours_in_which_nobody_works(store: Store) -> None:
    friday = int(datetime(2026, 11, 20, tzinfo=UTC).timestamp()) * S  # the next Monday is a holiday in Japan
    fill(
        store, [flow(f"C{h}", first_ts=friday + h * 3600 * S, last_ts=friday + h * 3600 * S) for h in range(0, 120, 3)]
    )
    calendar = Calendar("Asia/Tokyo", time(9), time(18), country="JP", closed=frozenset({date(2026, 11, 24)}))
    (one,) = channels(store, Site(calendar=calendar))
    assert (one["flows"], one["away"]) == (40, 37)  # at work: 0, 3 and 6 o'clock UTC on Friday
    (one,) = channels(store)
    assert one["away"] == 0


def test_against_a_naive_twin(store: Store) -> None:
    random = Random(5)
    rows = []
    for i in range(600):
        values = random.choice(
            [{}, SYN, {"conn_state": "REJ", "resp_pkts": 1, "resp_bytes": 0}, {**SYN, "history": "SAD"}]
        )
        rows.append(
            flow(
                f"C{random.randrange(400)}", orig_ip="10.0.0.20", resp_ip=OUT, resp_port=443, name="",
                **values, first_ts=NOON_NS + i * S, last_ts=NOON_NS + i * S + S,
            ) | {"orig_bytes": i}
        )  # fmt: skip
    for one in rows:
        which = sum(one["uid"].encode())
        one |= {"orig_ip": f"10.0.0.{which % 5}", "resp_ip": f"198.51.100.{which % 7}"}
        one |= {"name": ["", "a.example"][which % 2], "resp_port": [443, 80][which % 3 == 0]}
    fill(store, rows)
    rank = {"SF": 3, "REJ": 1}
    uids: dict[Any, dict[str, Any]] = {}
    for one in rows:
        key = (one["orig_ip"], one["name"] or one["resp_ip"], one["resp_port"], one["uid"], one["resp_ip"])
        got = uids.setdefault(key, {"outcome": 0, "bytes": 0})
        outcome = rank.get(one["conn_state"], 2 if "A" in one["history"] else 0)
        got["outcome"], got["bytes"] = max(got["outcome"], outcome), got["bytes"] + one["orig_bytes"]
    twin: defaultdict[Any, list[int]] = defaultdict(lambda: [0] * 5)
    for key, got in uids.items():
        twin[key[:3]][got["outcome"]] += 1
        twin[key[:3]][4] += got["bytes"]
    found = {
        (one["orig_ip"], one["dest"], one["resp_port"]): [*(one[name] for name in OUTCOMES), one["orig_bytes"]]
        for one in channels(store)
    }
    assert found == dict(twin)


def test_small_tables_of_the_whole_network(store: Store) -> None:
    request = {"resp_ip": "10.0.0.5", "resp_port": 3128, "via_proxy": "x", "method": "CONNECT", "answered": True}
    asked = [
        row("event", uid=f"P{n}", orig_ip=f"10.0.0.{i}", **request | {"status": 200})
        for n, i in enumerate((20, 20, 21))
    ]
    within = {"orig_ip": "10.0.0.20", "kind": "exchange", "method": ""}
    asked.append(row("event", uid="P0", **request | within))  # in the tunnel of the first
    socks = {"orig_ip": "10.0.0.22", "resp_port": 1080, "method": ""}
    asked.append(row("event", uid="Q", **request | socks))
    server = {"orig_ip": "10.0.0.20", "resp_ip": "10.0.0.9", "resp_port": 445}
    unmet = [row("event", uid="R", **request | server), row("event", uid="R", **request | server | within)]
    unmet.append(row("event", uid="T", **request | server | {"answered": False, "status": 0}))
    fill(store, asked + unmet, "event")
    smb = [flow(f"S{i}", orig_ip=f"10.0.0.{i}", resp_ip="10.0.0.9", resp_port=445) for i in range(20, 25)]
    dead = [flow("S", orig_ip="10.0.0.30", resp_ip="10.0.0.9", resp_port=445, **SYN)]
    outside = [flow("X", orig_ip="203.0.113.5", resp_ip="10.0.0.9", resp_port=445), flow("Y", resp_port=445)]
    fill(store, smb + dead + outside)
    with Egress(store, Site()) as egress:
        assert egress.proxies() == [
            *(("10.0.0.20", "10.0.0.5", 3128, 2), ("10.0.0.21", "10.0.0.5", 3128, 1)),
            ("10.0.0.22", "10.0.0.5", 1080, 1),
        ]
        assert [row[:4] for row in egress.services()] == [("10.0.0.9", 445, "tcp", 5)]


def test_a_span_of_time(store: Store) -> None:
    fill(store, [flow("C1"), flow("C2", first_ts=NOON_NS + DAY_NS, last_ts=NOON_NS + DAY_NS)])
    assert channels(store, since_ns=NOON_NS + S)[0]["flows"] == 1
    assert channels(store, until_ns=NOON_NS) == []


def test_an_empty_store(store: Store) -> None:
    assert channels(store) == []

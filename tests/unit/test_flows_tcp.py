"""TCP flows: states, history letters, bytes by sequence numbers, roles, reuse, copies and timeouts."""

from collections.abc import Callable
from typing import Any

import pytest

from sensor.constants import PROTO_ICMP6
from sensor.flows.tracker import Timeouts
from tests.support.flows import Collected
from tests.support.packets import CLIENT, MS, SERVER, T0, Packet, S, Tcp, icmp, track, udp

Script = Callable[[Tcp], Any]


def only_flow(got: Collected) -> dict[str, Any]:
    assert len(got.flows) == 1, [(row["conn_state"], row["history"]) for row in got.flows]
    return got.flows[0]


def flow_of(script: Script, **options: Any) -> dict[str, Any]:
    conversation = Tcp(**options)
    script(conversation)
    return only_flow(track(conversation.packets))


# --- states ---

STATES: list[tuple[str, str, Script]] = [
    ("S0", "S", lambda c: c("S")),
    ("S1", "ShA", lambda c: c.handshake()),
    ("S1", "ShADad", lambda c: c.handshake()("P.", b"hi").r(".").r("P.", b"hello")),
    ("SF", "ShAFf", lambda c: c.handshake()("F.").r("F.")(".")),
    ("SF", "ShADadFf", lambda c: c.handshake()("P.", b"a").r(".").r("P.", b"b")("F.").r("F.")(".")),
    ("REJ", "Sr", lambda c: c("S").r("R.")),
    ("S2", "ShAFa", lambda c: c.handshake()("F.").r(".")),
    ("S3", "ShAf", lambda c: c.handshake().r("F.")(".")),
    ("RSTO", "ShAR", lambda c: c.handshake()("R")),
    ("RSTO", "ShADaR", lambda c: c.handshake()("P.", b"a").r(".")("R.")),
    ("RSTR", "ShAr", lambda c: c.handshake().r("R")),
    ("RSTR", "ShADr", lambda c: c.handshake()("P.", b"a").r("R.")),
    ("RSTOS0", "SR", lambda c: c("S")("R")),
    ("RSTRH", "^hr", lambda c: c.r("S.").r("R")),
    ("SH", "SF", lambda c: c("S")("F")),
    ("SHR", "^hf", lambda c: c.r("S.").r("F.")),
    ("OTH", "D", lambda c: c("P.", b"midstream")),
    ("OTH", "DadA", lambda c: c("P.", b"midstream").r(".").r("P.", b"answer")(".")),
    ("OTH", "A", lambda c: c(".")),
]


@pytest.mark.parametrize(("state", "history", "script"), STATES)
def test_every_state_of_zeek(state: str, history: str, script: Script) -> None:
    row = flow_of(script)
    assert (row["conn_state"], row["history"]) == (state, history)
    assert (row["orig_ip"], row["orig_port"], row["resp_ip"], row["resp_port"]) == (CLIENT, 40000, SERVER, 8443)


def test_the_table_above_knows_every_state() -> None:
    names = {"S0", "S1", "SF", "REJ", "S2", "S3", "RSTO", "RSTR", "RSTOS0", "RSTRH", "SH", "SHR", "OTH"}
    assert {state for state, _, _ in STATES} == names


# --- history letters ---


def test_a_letter_is_written_once_in_a_direction() -> None:
    row = flow_of(lambda c: c.handshake()("P.", b"a").r("P.", b"b")(".")("P.", b"a").r("P.", b"b")(".").r("."))
    assert row["history"] == "ShADda"


@pytest.mark.parametrize(("n", "letters"), [(1, 1), (9, 1), (10, 2), (99, 2), (100, 3), (1000, 4)])
def test_retransmissions_are_written_by_powers_of_ten(n: int, letters: int) -> None:
    conversation = Tcp().handshake()("P.", b"abcd")
    for _ in range(n):
        conversation("P.", b"abcd", seq=1001)
    row = only_flow(track(conversation.packets))
    assert row["history"] == "ShAD" + "T" * letters
    assert row["orig_bytes"] == 4
    assert row["orig_pkts"] == 3 + n


def test_zero_windows() -> None:
    row = flow_of(lambda c: c.handshake()("P.", b"a").r(".", window=0).r(".", window=0)("P.", b"b", window=0))
    assert row["history"] == "ShADawW"


def test_a_reset_with_an_empty_window_is_no_zero_window() -> None:
    assert flow_of(lambda c: c.handshake().r("R", window=0))["history"] == "ShAr"


def test_a_gap_is_written_for_the_side_whose_bytes_are_missing() -> None:
    row = flow_of(lambda c: c.handshake()(".", ack=5001 + 700)(".", ack=5001 + 1400))
    assert row["history"] == "ShAg"
    assert row["resp_bytes"] == 1400
    assert row["resp_pkts"] == 1


@pytest.mark.parametrize(("flags", "letter"), [("FR", "I"), ("SF", "Q"), ("SR", "Q"), ("FR.", "I"), ("SFR", "I")])
def test_flags_that_contradict_each_other(flags: str, letter: str) -> None:
    assert letter in flow_of(lambda c: c("S")(flags, seq=1000))["history"]
    assert letter.lower() in flow_of(lambda c: c("S").r("S.").r(flags.rstrip(".") + ".", seq=5000))["history"]


def test_a_repeated_syn_fin_or_rst_is_written_once_but_another_one_again() -> None:
    assert flow_of(lambda c: c("S")("S", seq=1000)("S", seq=1000))["history"] == "S"
    assert flow_of(lambda c: c.handshake()("F.")("F.", seq=1001).r("F."))["history"] == "ShAFf"
    assert flow_of(lambda c: c.handshake()("R", seq=1001)("R", seq=1001)("R", seq=1005))["history"] == "ShARR"


def test_the_history_has_an_end() -> None:
    conversation = Tcp().handshake()
    for n in range(200):
        conversation("R", seq=5000 + n)
    assert len(only_flow(track(conversation.packets))["history"]) <= 24


# --- payload by sequence numbers ---


@pytest.mark.parametrize("isn", [0, 1, 2**31 - 1, 2**31, 2**32 - 200, 2**32 - 100, 2**32 - 2, 2**32 - 1])
@pytest.mark.parametrize("sides", ["both", "originator", "responder"])
def test_bytes_over_the_end_of_the_sequence_space(isn: int, sides: str) -> None:
    conversation = Tcp(isn=(isn, isn))("S").r("S.")(".")
    for _ in range(3):
        conversation("P.", b"a" * 100).r("P.", b"b" * 50)
    conversation("F.").r("F.")(".")
    wanted = {"both": (CLIENT, SERVER), "originator": (CLIENT,), "responder": (SERVER,)}[sides]
    row = only_flow(track([packet for packet in conversation.packets if packet.src in wanted]))
    assert row["orig_bytes"] == (0 if sides == "responder" else 300)  # Zeek guesses nothing about an unseen side either
    assert row["resp_bytes"] == (0 if sides == "originator" else 150)


@pytest.mark.parametrize("isn", [0, 1, 2**31, 2**32 - 100, 2**32 - 1])
def test_bytes_without_any_acknowledgement(isn: int) -> None:
    conversation = Tcp(isn=(isn, 0))("S")
    for _ in range(3):
        conversation("P", b"a" * 100)
    assert only_flow(track(conversation.packets))["orig_bytes"] == 300


@pytest.mark.parametrize("first", [0, 1, 2**31, 2**32 - 150, 2**32 - 1])
def test_bytes_of_a_connection_met_midstream(first: int) -> None:
    conversation = Tcp(isn=(first, 77))
    for _ in range(3):
        conversation("P.", b"a" * 100)
    assert only_flow(track(conversation.packets))["orig_bytes"] == 300


@pytest.mark.parametrize("acknowledged", [True, False])
def test_more_than_four_gigabytes(acknowledged: bool) -> None:
    conversation = Tcp(isn=(2**32 - 5, 9)).handshake()
    for _ in range(20):
        conversation(".", length=1 << 30)
        if acknowledged:
            conversation.r(".")
    row = only_flow(track(conversation.packets))
    assert row["orig_bytes"] == 20 << 30
    assert row["orig_ip_bytes"] == (20 << 30) + 22 * 40


def test_segments_out_of_order_and_overlapping() -> None:
    row = flow_of(
        lambda c: c.handshake()("P.", b"c" * 10, seq=1021)("P.", b"a" * 10, seq=1001)("P.", b"b" * 15, seq=1011)
    )
    assert row["orig_bytes"] == 30


def test_syn_and_fin_are_no_payload_but_bytes_beside_them_are() -> None:
    assert flow_of(lambda c: c.handshake().close())["orig_bytes"] == 0
    assert flow_of(lambda c: c("S", b"fast").r("S.")(".")("F.", b"last"))["orig_bytes"] == 8


def test_a_wild_sequence_number_of_a_reset_counts_nothing() -> None:
    row = flow_of(lambda c: c.handshake()("P.", b"abc").r(".")("R", seq=3_000_000_000))
    assert (row["orig_bytes"], row["resp_bytes"]) == (3, 0)


def test_bytes_that_the_mirror_lost_are_known_by_their_acknowledgements() -> None:
    conversation = Tcp().handshake()("P.", b"ask").r("P.", b"x" * 1000).r("P.", b"y" * 500)(".").r("P.", b"z")(".")
    del conversation.packets[4:6]
    row = only_flow(track(conversation.packets))
    assert (row["orig_bytes"], row["resp_bytes"], row["resp_pkts"]) == (3, 1501, 2)
    assert row["history"] == "ShADgd"


def test_one_sided_connections_are_cut_like_zeeks_but_keep_their_uid() -> None:
    conversation = Tcp()("S")(".", at=0.1)("P.", b"a" * 10, at=0.2)("P.", b"b" * 10, at=8)("P.", b"c" * 10, at=9)
    got = track(conversation.packets)
    assert [row["conn_state"] for row in got.flows] == ["S0", "OTH"]
    assert len({(row["uid_hi"], row["uid_lo"]) for row in got.flows}) == 1
    assert sum(row["orig_pkts"] for row in got.flows) == 5
    assert sum(row["orig_bytes"] for row in got.flows) == 30


# --- who is the originator ---


def test_a_syn_ack_first_flips() -> None:
    row = flow_of(lambda c: c.r("S.")(".")("P.", b"x"))
    assert (row["orig_ip"], row["history"]) == (CLIENT, "^hAD")


def test_a_syn_ack_seen_before_its_syn() -> None:
    row = flow_of(lambda c: c.r("S.", ack=1001)("S", seq=1000)(".", seq=1001)("P.", b"x", seq=1001).r("."))
    assert (row["orig_ip"], row["conn_state"]) == (CLIENT, "S1")
    assert row["history"].startswith("^hS")


@pytest.mark.parametrize(
    ("src_port", "dst_port", "is_flipped"),
    [(443, 50000, True), (50000, 443, False), (443, 8080, True), (8080, 443, False), (50000, 50001, False)],
)
def test_a_server_port_tells_the_originator_midstream(src_port: int, dst_port: int, is_flipped: bool) -> None:
    row = flow_of(lambda c: c("P.", b"x"), client=(CLIENT, src_port), server=(SERVER, dst_port))
    assert (row["orig_ip"] == SERVER) == is_flipped
    assert row["history"] == ("^d" if is_flipped else "D")


def test_a_syn_is_believed_whatever_the_port() -> None:
    row = flow_of(lambda c: c("S"), client=(CLIENT, 443), server=(SERVER, 50000))
    assert (row["orig_ip"], row["history"]) == (CLIENT, "S")


@pytest.mark.parametrize(
    ("src_port", "dst", "dst_port", "is_flipped"),
    [
        (53, SERVER, 40000, True),
        (40000, SERVER, 53, False),
        (123, SERVER, 123, False),
        (67, "255.255.255.255", 68, False),
        (5000, SERVER, 5001, False),
    ],
)
def test_a_server_port_tells_the_originator_of_datagrams(
    src_port: int, dst: str, dst_port: int, is_flipped: bool
) -> None:
    row = only_flow(track([udp(T0, client=(CLIENT, src_port), server=(dst, dst_port))]))
    assert (row["orig_ip"] == dst) == is_flipped
    assert row["history"] == ("^d" if is_flipped else "D")


# --- one key, several connections ---


def test_a_port_used_again_after_a_close_is_another_flow() -> None:
    conversation = Tcp().handshake()("P.", b"one").close()
    conversation.next = [70000, 90000]
    conversation.handshake()("P.", b"three").close()
    got = track(conversation.packets)
    assert [row["conn_state"] for row in got.flows] == ["SF", "SF"]
    assert [row["orig_bytes"] for row in got.flows] == [3, 5]
    assert len({row["uid_lo"] for row in got.flows}) == 2
    assert len(got.events) == 2


def test_a_port_used_again_while_the_first_attempt_hangs_is_another_flow() -> None:
    got = track(Tcp()("S")("S", seq=99999).r("R.", ack=100000).packets)
    assert [row["conn_state"] for row in got.flows] == ["S0", "REJ"]


def test_retransmitted_syns_are_one_attempt_and_one_event() -> None:
    conversation = Tcp()
    for seconds in (0, 1, 3, 7, 15, 31):
        conversation("S", at=seconds, seq=1000)
    got = track(conversation.packets)
    row = only_flow(got)
    assert (row["conn_state"], row["history"], row["orig_pkts"], row["orig_bytes"]) == ("S0", "S", 6, 0)
    assert [(event["kind"], event["answered"]) for event in got.events] == [("attempt", 0)]


@pytest.mark.parametrize(
    ("refused", "seconds", "n_events"),
    [(False, (0, 3, 9), 1), (True, (0, 0.5, 1), 1), (False, (0, 10, 20), 3), (True, (0, 5), 2)],
)
def test_a_retry_with_another_sequence_number_is_the_same_attempt(
    refused: bool, seconds: tuple[float, ...], n_events: int
) -> None:
    conversation = Tcp()
    for n, second in enumerate(seconds):
        conversation("S", at=second, seq=1000 * (n + 1))
        if refused:
            conversation.r("R.", ack=1000 * (n + 1) + 1)
    got = track(conversation.packets)
    assert len(got.flows) == len(seconds)
    assert [(event["kind"], event["answered"]) for event in got.events] == [("attempt", 0)] * n_events
    assert min(event["ts"] for event in got.events) == conversation.packets[0].ts_ns


@pytest.mark.parametrize(
    ("script", "kind", "answered"),
    [
        (lambda c: c("S"), "attempt", 0),
        (lambda c: c("S").r("R."), "attempt", 0),
        (lambda c: c("S")("R"), "attempt", 0),
        (lambda c: c.handshake(), "connection", 1),
        (lambda c: c.handshake()("P.", b"a")("F."), "connection", 1),
        (lambda c: c("P.", b"midstream"), "connection", 0),
    ],
)
def test_an_attempt_without_an_answer_is_an_event(script: Script, kind: str, answered: int) -> None:
    conversation = Tcp()
    script(conversation)
    got = track(conversation.packets)
    assert [(event["kind"], event["answered"]) for event in got.events] == [(kind, answered)]


# --- copies of a mirror ---


def copied(packets: list[Packet], lag_ns: int, **fields: int) -> list[Packet]:
    """Every packet twice, the second `lag_ns` later and equal but for `fields`."""
    doubled = []
    for i, packet in enumerate(packets):
        first = {"ip_id": i + 1, "l4_checksum": 7 * i + 1, **packet.fields}
        values = (packet.src, packet.dst, packet.src_port, packet.dst_port, packet.proto, packet.payload, packet.length)
        doubled.append(Packet(packet.ts_ns, *values, first))
        doubled.append(Packet(packet.ts_ns + lag_ns, *values, {**first, **fields}))
    return doubled


JUDGED = ("conn_state", "history", "orig_pkts", "resp_pkts", "orig_bytes", "resp_bytes", "orig_ip_bytes", "vlan_id")


@pytest.mark.parametrize("lag_ns", [0, 20_000, 900_000])
@pytest.mark.parametrize("fields", [{}, {"vlan_id": 7, "ttl": 63}])
def test_copies_are_left_out_and_counted(lag_ns: int, fields: dict[str, int]) -> None:
    conversation = Tcp().handshake()("P.", b"abc").r(".").r("P.", b"defg")(".").close()
    plain, doubled = track(conversation.packets), track(copied(conversation.packets, lag_ns, **fields))
    assert doubled.counts["duplicates"] == len(conversation.packets)
    assert doubled.counts["packets"] == len(conversation.packets)
    assert [only_flow(doubled)[name] for name in JUDGED] == [only_flow(plain)[name] for name in JUDGED]
    assert len(doubled.events) == 1


def test_a_retransmission_is_no_copy() -> None:
    for fields, seconds in (({"ip_id": 900}, 0.004), ({"ip_id": 50}, 0.3)):
        conversation = Tcp().handshake()("P.", b"abc", at=0.1, ip_id=50)("P.", b"abc", seq=1001, at=0.1 + seconds)
        conversation.packets[-1].fields.update(fields)
        got = track(conversation.packets)
        assert got.counts["duplicates"] == 0
        assert (only_flow(got)["orig_pkts"], only_flow(got)["orig_bytes"]) == (4, 3)
        assert only_flow(got)["history"] == "ShADT"


@pytest.mark.parametrize(("lag_ns", "duplicates"), [(50_000, 1), (200_000, 0)])
def test_without_an_identification_only_what_comes_at_once_is_a_copy(lag_ns: int, duplicates: int) -> None:
    got = track([udp(T0, b"same", ip_id=0), udp(T0 + lag_ns, b"same", ip_id=0)])
    assert got.counts["duplicates"] == duplicates
    assert only_flow(got)["orig_pkts"] == 2 - duplicates


def test_equal_lengths_with_other_bytes_are_no_copies() -> None:
    got = track([udp(T0, b"same", ip_id=0), udp(T0 + 1000, b"sane", ip_id=0)])
    assert got.counts["duplicates"] == 0


def test_the_two_sides_are_no_copies_of_each_other() -> None:
    got = track([udp(T0, b"same", ip_id=5), udp(T0 + 1000, b"same", back=True, ip_id=5)])
    assert got.counts["duplicates"] == 0


def test_a_copy_after_another_packet_is_found() -> None:
    packets = [udp(T0 + i, b"same", ip_id=1 + i % 4) for i in range(8)]
    assert track(packets).counts["duplicates"] == 4


# --- time ---


def test_a_flow_that_lives_on_is_reported_in_parts_whose_sums_are_the_whole() -> None:
    conversation = Tcp().handshake()
    for second in range(1, 36):
        conversation("P.", b"q" * 10, at=second).r("P.", b"a" * 25, at=second + 0.3)
    conversation("F.", at=36).r("F.")(".")
    whole = only_flow(track(conversation.packets))
    parts = track(conversation.packets, timeouts=Timeouts(active_s=10, gap_s=1))
    assert [row["end_reason"] for row in parts.flows] == ["active"] * 3 + ["end"]
    assert {(row["uid_hi"], row["uid_lo"]) for row in parts.flows} == {(whole["uid_hi"], whole["uid_lo"])}
    for name in ("orig_pkts", "resp_pkts", "orig_bytes", "resp_bytes", "orig_ip_bytes", "resp_ip_bytes"):
        assert sum(row[name] for row in parts.flows) == whole[name], name
    assert parts.flows[0]["first_ts"] == whole["first_ts"]
    assert parts.flows[-1]["last_ts"] == whole["last_ts"]
    assert all(a["last_ts"] <= b["first_ts"] for a, b in zip(parts.flows, parts.flows[1:], strict=False))
    assert (parts.flows[-1]["conn_state"], parts.flows[-1]["history"]) == (whole["conn_state"], whole["history"])
    assert len(parts.events) == 1


def test_late_packets_belong_to_a_closed_connection_but_not_to_its_duration() -> None:
    conversation = Tcp().handshake().close()
    ended = conversation.now
    conversation.r("F.", seq=conversation.next[1] - 1, at=4)
    row = only_flow(track(conversation.packets))
    assert row["resp_pkts"] == 3
    assert row["last_ts"] <= ended
    conversation(".", at=9)
    got = track(conversation.packets)
    assert [(row["conn_state"], row["end_reason"]) for row in got.flows] == [("SF", "idle"), ("OTH", "end")]


@pytest.mark.parametrize(
    ("script", "idle_s"),
    [
        (lambda c: c("S"), 60),
        (lambda c: c.handshake(), 300),
        (lambda c: c.handshake()("P.", b"x").r("."), 300),
        (lambda c: c.handshake()("F."), 300),
    ],
)
def test_idle_connections_end_on_packet_time(script: Script, idle_s: int) -> None:
    for seconds, n_flows in ((idle_s - 1, 1), (idle_s + 1, 2)):
        conversation = Tcp()
        script(conversation)
        conversation(".", at=seconds)
        got = track(conversation.packets)
        assert len(got.flows) == n_flows
        assert got.flows[0]["end_reason"] == ("end" if n_flows == 1 else "idle")


def test_idle_datagrams_end_on_packet_time() -> None:
    assert len(track([udp(T0), udp(T0 + 59 * S)]).flows) == 1
    assert [row["end_reason"] for row in track([udp(T0), udp(T0 + 61 * S)]).flows] == ["idle", "end"]
    assert len(track([udp(T0), udp(T0 + 3 * S)], timeouts=Timeouts(udp_idle_s=2)).flows) == 2


def other(ts_ns: int) -> Packet:
    return udp(ts_ns, client=("10.0.0.6", 50000))


def test_flows_that_say_nothing_more_are_swept_by_the_packets_of_others() -> None:
    got = track([udp(T0), *(other(T0 + second * S) for second in range(0, 90, 5))])
    assert {row["orig_ip"]: row["end_reason"] for row in got.flows} == {CLIENT: "idle", "10.0.0.6": "end"}


def test_one_wrong_clock_reading_ends_nothing() -> None:
    got = track([udp(T0), other(T0 + 86400 * S), udp(T0 + S), other(T0 + 2 * S), udp(T0 + 3 * S)])
    assert sorted((row["orig_ip"], row["orig_pkts"]) for row in got.flows) == [(CLIENT, 3), ("10.0.0.6", 2)]
    assert got.counts["time_backwards"] == 1


def test_uids_do_not_depend_on_the_hash_key() -> None:
    conversation = Tcp().handshake().close()
    first, second = only_flow(track(conversation.packets)), only_flow(track(conversation.packets))
    assert (first["uid_hi"], first["uid_lo"]) == (second["uid_hi"], second["uid_lo"])


# --- ICMP ---


@pytest.mark.parametrize(
    ("proto", "ask", "answer"),
    [(1, 8, 0), (1, 13, 14), (1, 15, 16), (1, 17, 18), (PROTO_ICMP6, 128, 129), (PROTO_ICMP6, 135, 136)],
)
def test_icmp_messages_that_answer_each_other_are_one_flow(proto: int, ask: int, answer: int) -> None:
    client, server = (CLIENT, SERVER) if proto == 1 else ("fe80::1", "fe80::2")
    packets = []
    for n in range(3):
        packets.append(icmp(T0 + 2 * n * MS, ask, src=client, dst=server, proto=proto))
        packets.append(icmp(T0 + (2 * n + 1) * MS, answer, src=server, dst=client, proto=proto))
    got = track(packets)
    row = only_flow(got)
    assert (row["orig_ip"], row["orig_port"], row["resp_port"]) == (client, ask, answer)
    assert (row["orig_pkts"], row["resp_pkts"], row["orig_bytes"], row["resp_bytes"]) == (3, 3, 24, 24)
    assert (row["conn_state"], row["history"]) == ("OTH", "")
    assert len(got.events) == 1


def test_icmp_errors_go_one_way_and_their_port_is_the_code() -> None:
    got = track([icmp(T0, 3, 1), icmp(T0 + MS, 3, 1, src=SERVER, dst=CLIENT), icmp(T0 + 2 * MS, 3, 4)])
    assert sorted((row["orig_ip"], row["orig_port"], row["resp_port"]) for row in got.flows) == [
        (CLIENT, 3, 1),
        (CLIENT, 3, 4),
        (SERVER, 3, 1),
    ]

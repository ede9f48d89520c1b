"""What holds of the analyzers for any series of events and any flows."""

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzers.beacon import measure_channels, score_beacons, score_channels
from analyzers.beacon.pause import RESOLUTION_S
from analyzers.egress import Kept, Server, Surroundings, judge_clients, judge_servers
from analyzers.egress.mode import Mode
from analyzers.egress.table import OUTCOMES
from analyzers.series import Series
from sensor.policy import default_role
from sensor.site import Site
from tests.support.egress import egress_table
from tests.support.series import make_series

MILLISECONDS = st.integers(0, 10_000_000)
CHANNEL = st.one_of(
    st.lists(MILLISECONDS, max_size=60),
    # beats with jitter, so that scores above 0 come up as well
    st.builds(
        lambda period, wobble: [i * period + w for i, w in enumerate(wobble)],
        st.integers(300, 100_000),
        st.lists(st.integers(0, 90), min_size=4, max_size=60),
    ),
)
CHANNELS = st.lists(CHANNEL, max_size=8)


def series_of(channels: list[list[int]]) -> Series:
    return make_series([np.array(times, np.float64) / 1000 for times in channels])


def scores(channels: list[list[int]]) -> np.ndarray:
    return score_channels(measure_channels(series_of(channels)))


@given(CHANNELS)
def test_scores_are_in_range_and_findings_are_whole(channels: list[list[int]]) -> None:
    series = series_of(channels)
    found = score_channels(measure_channels(series))
    assert ((found >= 0) & (found < 1) | np.isnan(found)).all()
    for finding in score_beacons(series, Site()):
        assert 0.4 <= finding.score < 1
        assert finding.interval_s is not None
        assert finding.interval_s > 0
        assert finding.jitter_frac is not None
        assert finding.jitter_frac >= 0
        assert finding.first_ts <= finding.last_ts
        assert finding.reasons
        assert all(finding.reasons)
        assert finding.techniques


@given(CHANNELS, MILLISECONDS)
def test_another_event_never_breaks_anything(channels: list[list[int]], extra: int) -> None:
    for i in range(len(channels)):
        more = [*channels[:i], [*channels[i], extra], *channels[i + 1 :]]
        score_beacons(series_of(more), Site())


@given(CHANNELS, st.integers(-1_700_000_000, 2_000_000_000))
def test_a_shift_in_time_changes_nothing(channels: list[list[int]], shift_s: int) -> None:
    """By whole seconds, so that the resolution of the times stays what it is; to before 1970 as well."""
    series = series_of(channels)
    before = measure_channels(series)
    series.ts_ns = series.ts_ns + shift_s * 1_000_000_000
    assert (measure_channels(series) == before).all()


@given(CHANNELS, st.integers(2, 50))
def test_the_unit_of_time_does_not_matter(channels: list[list[int]], factor: int) -> None:
    """Slower by any factor is the same score, as long as no events fall together into one exchange."""
    apart = [_apart(times) for times in channels]
    slow = [[t * factor for t in times] for times in apart]
    shift = 0.000_000_5  # off the whole milliseconds, whose resolution would count
    fast_series, slow_series = (
        make_series([np.array(times, np.float64) / 1000 + np.arange(len(times)) % 2 * shift * f for times in chosen])
        for chosen, f in ((apart, 1), (slow, factor))
    )
    fast_score = score_channels(measure_channels(fast_series))
    slow_score = score_channels(measure_channels(slow_series))
    np.testing.assert_allclose(fast_score, slow_score, rtol=1e-6, atol=1e-9)


def _apart(times: list[int]) -> list[int]:
    """The times without those that the resolution would put together."""
    kept: list[int] = []
    for t in sorted(times):
        if not kept or t - kept[-1] > 1000 * RESOLUTION_S + 1:
            kept.append(t)
    return kept


@given(CHANNELS)
def test_reversal_in_time_does_not_change_the_score(channels: list[list[int]]) -> None:
    reverse = [[10_000_000 - t for t in times] for times in channels]
    np.testing.assert_allclose(scores(channels), scores(reverse), rtol=1e-9)


@given(CHANNELS, st.randoms(use_true_random=False))
def test_the_order_of_channels_does_not_matter(channels: list[list[int]], random: object) -> None:
    order = list(range(len(channels)))
    random.shuffle(order)  # type: ignore[attr-defined]
    np.testing.assert_array_equal(scores(channels)[order], scores([channels[i] for i in order]))


COUNT = st.integers(0, 300)


@settings(max_examples=80)
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "orig_ip": st.sampled_from(["10.0.0.1", "10.0.0.2", "10.0.0.5", "fd00::1", "junk"]),
                "dest": st.sampled_from(
                    ["", "198.51.100.1", "2001:db8::1", "dns.google", "pool.ntp.org", "x\n..", "WWW.A"]
                ),
                "resp_port": st.integers(0, 65535) | st.sampled_from([53, 80, 123, 443, 853, 9001]),
                "proto": st.sampled_from(["tcp", "udp", "icmp", "sctp", "ip-47", ""]),
                "app": st.sampled_from(["", "tls", "http", "dns", "ssh", "quic", "??"]),
                "is_foreign_proxy": st.booleans(),
                "n_dests": st.integers(1, 5000),
                "dest_ips": st.sampled_from([(), ("198.51.100.1",), ("198.51.100.1", "2001:db8::1"), ("x",)]),
                "no_lookup": st.booleans(),
                "unanswered": COUNT,
                "refused": COUNT,
                "half": COUNT,
                "established": COUNT,
                "orig_bytes": st.integers(0, 2**62),
                "orig_pkts": COUNT,
                "away": COUNT,
                "clients": COUNT,
            }
        ),
        max_size=30,
    ),
    st.sampled_from(["explicit", "transparent", "none"]),
    st.booleans(),
)
def test_egress_survives_any_channels(rows: list[dict[str, Any]], word: str, is_server: bool) -> None:
    for row in rows:
        row["flows"] = sum(row[outcome] for outcome in OUTCOMES)
    table, site = egress_table(*rows), Site()
    around = Surroundings(Mode(word, "", (("10.0.0.5", None),)), frozenset({"10.0.0.1"}), 4, True)
    servers = {"10.0.0.2": Server("10.0.0.2", default_role("file"))} if is_server else {}
    findings = judge_clients(table, site, around, frozenset(servers), Kept())
    findings += judge_servers(table, [], site, servers, {}, {})
    assert len(
        {(f.analyzer, f.orig_ip, f.dest, f.resp_port, f.proto, f.outcome, f.reasons[2]) for f in findings}
    ) == len(findings)
    for finding in findings:
        assert 0 < finding.score <= 0.94
        assert finding.severity != "critical"
        assert (finding.orig_ip in servers) == (finding.analyzer == "server-egress")
        assert finding.outcome in OUTCOMES
        assert finding.first_ts <= finding.last_ts
        assert all(finding.reasons)
        assert finding.techniques

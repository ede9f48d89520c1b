"""What tshark sees asked of proxies, and when it sees originators speak, against our events."""

import shutil
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest

from tests.support.flows import collect

pytestmark = [
    pytest.mark.differential,
    pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed"),
]


def tshark(path: Path, where: str, *fields: str) -> Iterator[list[str]]:
    """The fields of the packets that a display filter keeps."""
    command = ["tshark", "-n", "-r", str(path), "-Y", where, "-T", "fields"]
    command += [part for field in fields for part in ("-e", field)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout.splitlines()
    return (line.split("\t") for line in lines)


def asked_of_proxies(path: Path) -> set[tuple[str, str]]:
    """(client, host) of every CONNECT and every request with an absolute URI."""
    asked = set()
    for src, src6, method, uri in tshark(
        path, "http.request", "ip.src", "ipv6.src", "http.request.method", "http.request.uri"
    ):
        client, uri = src or src6, uri.split(",")[0]
        if method == "CONNECT":
            asked.add((client, uri.rsplit(":", 1)[0].strip("[]")))
        elif uri.startswith(("http://", "ftp://")):
            asked.add((client, urlsplit(uri).hostname or ""))
    return asked


PROXIED = (
    *("connect-fail", "connect-qualys", "connect-rubicon", "connect-tls", "connect-with-header", "connect-with-smtp"),
    *("https-connect", "proxy-browsing-1h", "squid-3128-mixed"),
)


@pytest.mark.parametrize("name", PROXIED)
def test_every_host_asked_of_a_proxy_is_the_destination_of_its_events(shared_data: Path, name: str) -> None:
    path = shared_data / "pcaps" / "proxy" / f"{name}.pcap"
    asked = asked_of_proxies(path)
    assert asked
    got = collect(path)
    ours = {(event["orig_ip"], event["dest"]) for event in got.events if event["via_proxy"]}
    assert asked <= ours
    proxies = {event["via_proxy"].rsplit(":", 1)[0] for event in got.events if event["via_proxy"]}
    named = [event for event in got.events if event["via_proxy"] and event["name_source"] == "proxy"]
    assert named and not {event["dest"] for event in named} & proxies


@pytest.mark.parametrize(("name", "host"), [("socks4-https", "login.live.com"), ("socks5-http", "www.google.com")])
def test_a_host_asked_of_socks_is_the_destination(shared_data: Path, name: str, host: str) -> None:
    got = collect(shared_data / "pcaps" / "proxy" / f"{name}.pcap")
    proxied = [flow for flow in got.flows if flow["via_proxy"]]
    assert proxied
    assert {(flow["name"], flow["name_source"]) for flow in proxied} == {(host, "proxy")}


def test_ssh_clients_and_servers_have_the_fingerprints_that_tshark_gives_them(shared_data: Path) -> None:
    path = shared_data / "oracles" / "zeek" / "ssh__ssh.pcap"
    theirs: dict[tuple[str, str], dict[str, str]] = {}
    fields = ("ip.src", "tcp.srcport", "ip.dst", "tcp.dstport", "ssh.kex.hassh", "ssh.kex.hasshserver")
    for src, src_port, dst, dst_port, client, server in tshark(path, "ssh.kex.hassh || ssh.kex.hasshserver", *fields):
        if client:
            theirs.setdefault((src, src_port), {})["hassh"] = client
        if server:
            theirs.setdefault((dst, dst_port), {})["hassh_server"] = server
    ours = {(flow["orig_ip"], str(flow["orig_port"])): flow for flow in collect(path).flows if flow["app"] == "ssh"}
    assert sum(len(prints) for prints in theirs.values()) >= 20
    for ends, prints in theirs.items():
        assert {name: ours[ends][name] for name in prints} == prints


INSIDE = [
    ("c2/nanocore-2020-03.pcap", "199.127.59.229", 5656),
    ("c2/strrat.pcap", "185.255.114.40", 8219),
    ("c2/asyncrat-b.pcap", "carlosenriquezdomin.con-ip.com", 4041),
    ("c2/meterpreter-one-session-30min.pcap", "45.33.32.156", 4444),
    ("tunnel/vscode-dev-tunnel-100min.pcap", "inc1-data.rel.tunnels.api.visualstudio.com", 443),
    ("tunnel/nps-tunnel.pcap", "175.28.31.231", 8024),
]


@pytest.mark.parametrize(("name", "dest", "port"), INSIDE, ids=lambda value: str(value).split("/")[-1])
def test_a_beacon_inside_one_connection_shows_its_period(shared_data: Path, name: str, dest: str, port: int) -> None:
    path = shared_data / "pcaps" / name
    events = [event for event in collect(path).events if event["dest"] == dest and event["resp_port"] == port]
    (busiest,) = {max((event["uid_hi"] for event in events), key=[event["uid_hi"] for event in events].count)}
    mine = sorted(event["ts"] for event in events if event["uid_hi"] == busiest)
    assert len(mine) >= 8
    resp = next(event["resp_ip"] for event in events)
    # by hand: the client's payloads that follow a second or more without payload either way
    streams: dict[str, list[tuple[float, bool]]] = {}
    where = f"tcp.len > 0 && tcp.port == {port} && ip.addr == {resp} && !tcp.analysis.retransmission"
    for number, time, src in tshark(path, where, "tcp.stream", "frame.time_epoch", "ip.src"):
        streams.setdefault(number, []).append((float(time), src != resp))
    spoken = pairwise(max(streams.values(), key=len))
    starts = [time for (before, _), (time, is_client) in spoken if is_client and time - before >= 1]
    period = float(np.median(np.diff(starts)))
    assert float(np.median(np.diff(mine))) / 1e9 == pytest.approx(period, rel=0.05)

"""Where each kind of indicator can show in the history: columns of the lake, as data.

Out: PROBES, by kind. Pure: this module opens nothing.
"""

from dataclasses import dataclass

CONTACTED, CAME_FROM, CLAIMED, LOOKED_UP, RESOLVED = "contacted", "came-from", "named", "looked-up", "resolved"
HOWS = {
    CONTACTED: "the host contacted it",
    CAME_FROM: "it contacted one of the hosts",
    CLAIMED: "the host's TLS hello named it, in a connection that has another name",
    LOOKED_UP: "the host asked DNS for it",
    RESOLVED: "DNS gave it to the host as an answer",
}
"""How an indicator was met."""

LOOKUPS = (LOOKED_UP, RESOLVED)
"""Those that are no contact."""

COLUMNS = {
    "flow": "first_ts AS t0, last_ts AS t1, orig_bytes AS b0, resp_bytes AS b1",
    "event": "ts AS t0, ts AS t1, orig_bytes AS b0, resp_bytes AS b1",
    "dns": "'' AS via_proxy, ts AS t0, ts AS t1, 0 AS b0, 0 AS b1",
}
"""Table -> SQL of what every probe sums up: begin, end, bytes sent and received."""


@dataclass(frozen=True, slots=True)
class Probe:
    """Where a kind of indicator can show.

    value : SQL of the value that is compared
    listed : the column of texts joined by commas that it is one of, empty where it is a column itself
    host, dest : SQL of one's own host and of the other end
    port : SQL of the port
    """

    table: str
    value: str
    how: str
    host: str = "orig_ip"
    dest: str = "name"
    port: str = "resp_port"
    more: str = "true"
    listed: str = ""


def _flow(value: str, how: str = CONTACTED, **options: str) -> Probe:
    return Probe("flow", value, how, **{"dest": "CASE WHEN name <> '' THEN name ELSE resp_ip END"} | options)


_ADDRESS = (
    _flow("resp_ip"),
    _flow("orig_ip", CAME_FROM, host="resp_ip", dest="orig_ip"),
    Probe("event", "dest", CONTACTED, dest="dest", more="via_proxy <> ''"),
    Probe("dns", "answer", RESOLVED, dest="qname", port="0", listed="answers"),
)
PROBES: dict[str, tuple[Probe, ...]] = {
    "address": _ADDRESS,
    "network": _ADDRESS,
    "domain": (
        Probe("event", "dest", CONTACTED, dest="dest", more="kind <> 'query'"),
        _flow("sni", CLAIMED, dest="name", more="sni <> name"),
        Probe("dns", "qname", LOOKED_UP, dest="qname", port="0"),
        Probe("dns", "answer", RESOLVED, dest="qname", port="0", listed="answers"),
    ),
    "url": (Probe("event", "dest", CONTACTED, dest="uri", more="kind <> 'query'"),),
    "ja3": (_flow("ja3"), _flow("ja3s"), _flow("hassh"), _flow("hassh_server")),
    "ja4": (_flow("ja4"),),
    "user-agent": (Probe("event", "user_agent", CONTACTED, dest="dest"),),
    "certificate": (_flow("cert_sha256"),),
}

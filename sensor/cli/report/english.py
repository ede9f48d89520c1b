"""The words of a report in English."""

from analyzers.words.english import ENGLISH
from sensor.cli.human import human_duration
from sensor.cli.report.words import Row, Words
from sensor.response.techniques import technique_name

_WORDS = {
    "title": "What kagami found",
    "window": "Window: {since} - {until} UTC",
    "made": "Made: {now} UTC, with kagami {version}",
    "summary": "Summary",
    "nothing": "No open finding in this window. That is no proof that there is nothing: see what was not seen, below.",
    "untold": "",
    "total": "Open findings in this window: {n}, hosts concerned: {m}.",
    "findings": "Findings",
    "hosts": "Hosts concerned",
    "blocked": "Attempts that were stopped or stayed unanswered",
    "blocked_none": "None.",
    "blocked_note": "Something on these hosts tries to get out and does not succeed. It is there all the same.",
    "health": "Health of the sensor",
    "not_seen": "What was not seen",
    "severity": "severity", "score": "score", "analyzer": "kind", "host": "host", "dest": "destination",
    "service": "service", "events": "events", "first": "first seen", "last": "last seen", "state": "state",
    "outcome": "outcome", "interval": "interval", "count": "findings", "dests": "destinations",
    "why": "Why", "when": "When", "intervals": "Intervals between contacts", "learned": "What connections told",
    "peers": "Who else goes there", "before": "The minute before the first contact", "todo": "What to do",
    "techniques": "ATT&CK", "decided": "What was decided",
    "comma": ", ", "colon": ": ", "semicolon": "; ", "n_packets": "{n} packets",
    "score_of": "{score} ({kind})",
    "peer": "{host} ({n}, {first} - {last})",
    "more": "{n} more findings are not shown in detail; kagami findings lists them.",
    "settled": "{n} settled findings and {m} covered by allow entries are not in this report.",
    "nobody": "No other of the {n} hosts seen.",
    "picture": "Events over time, {n} in all, at most {m} in one part",
    "histogram": "How often which interval occurs",
    "sources": "captures", "packets": "packets", "state_of": "state", "lost": "lost or odd",
    "none_lost": "nothing counted", "how": "learned from", "value": "value",
    "flows": "flows", "time": "time", "did": "what it did",
    "utc": "All times are UTC. Destinations are written harmless ([.]), so that nobody opens them by a slip.",
    "blind": [
        "Encrypted content is not read: names, sizes, times and fingerprints are.",
        "Only what passes the mirror port is seen: traffic between hosts of one switch may not be.",
        "DNS over HTTPS, Encrypted ClientHello and content networks hide names.",
        "A finding says that a machine behaves so, not that somebody is guilty. Benign software can behave so too.",
    ],
    "absent": "Nothing is kept of {n} days: {days}",
    "steps": {
        "beacon": "Find the program that keeps this timer. If nobody can name it, isolate the host.",
        "bypass": "Find the program that goes around the proxy, and block its way out at the firewall.",
        "server-egress": "Ask who runs the server what this is for. If nobody can say, treat it as taken over.",
        "strobe": "Find the program that floods this destination: an attack, a scan, or a loop gone wrong.",
        "long-connection": "Find the program that holds this connection. If nobody can, isolate the host.",
        "watchlist": "Read what the indicator stands for, and look on the host for what the advisory describes.",
        "blocked": "Nothing got out this way, but the program that tries is still on the host: find it.",
        "blocked beat": "Isolate the host: a program on it keeps calling out, and the firewall does not remove it.",
        "": "Find the program that does this. If nobody can name it, isolate the host.",
    },
    "keep": "Before cleaning, preserve memory, disk and captures: kagami evidence {id} -o DIR",
    "block": "See what to block: kagami blocklist. See which hosts to isolate: kagami quarantine",
    "severities": {},
    "states": {},
    "outcomes": {},
    "kinds": {},
    "sightings": {},
    "hows": {},
}  # fmt: skip


class English(Words):
    """English, in which analyzers speak."""

    language = "en"
    catalogue = _WORDS
    sentences = ENGLISH

    def sentence(self, finding: Row, host: str, dest: str) -> str:
        """See Words."""
        service = f"{finding['resp_port']}/{finding['proto']}"
        how_often = f", one every {self.span(finding['interval_s'])}" if finding["interval_s"] else ""
        via = f" through the proxy {finding['via_proxy']}" if finding["via_proxy"] else ""
        return f"{host} went to {dest} ({service}){via} {finding['events']:,} times{how_often}."

    def span(self, seconds: float) -> str:
        """See Words."""
        return human_duration(seconds)

    def technique(self, number: str) -> str:
        """See Words."""
        return technique_name(number)

    def source_state(self, state: str, error: str) -> str:
        """See Words."""
        return f"{state}: {error}" if error else state

    def counter(self, name: str, n: int) -> str:
        """See Words."""
        return f"{n:,} {name.replace('_', ' ')}"

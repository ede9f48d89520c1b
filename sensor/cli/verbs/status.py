"""`kagami status`: what the store holds, and what was lost on the way."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import click

from analyzers.finding import SEVERITIES
from sensor.cli.clean import clean
from sensor.cli.command import Verb
from sensor.cli.formats import json_value, machine_row
from sensor.cli.human import human_bytes, human_count, human_duration, plural
from sensor.cli.live import RECENT_S, describe_live
from sensor.cli.session import Session
from sensor.cli.times import NS, short_time

_LABEL_WIDTH = 12


@click.command(cls=Verb, examples="kagami status\nkagami status --json")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object.")
@click.pass_obj
def status(session: Session, as_json: bool) -> None:
    """Show what the store holds: sources, time span, sizes, findings, and everything that was counted."""
    from sensor.store.findings import findings
    from sensor.store.health import live_summary, shares
    from sensor.store.outbox import outlets_state
    from sensor.store.questions import proxies

    with session.open_store() as store:
        health = store.health()
        health["proxies"] = proxies(store)
        live = live_summary(store, time.time_ns() - RECENT_S * NS)
        health["outlets"] = outlets_state(store)
        severities = Counter(row["severity"] for row in findings(store)[0])
    health["findings_by_severity"] = {level: severities[level] for level in reversed(SEVERITIES) if severities[level]}
    health["live"] = [told | shares(told) for told in live]
    if as_json:
        session.write([json_value(machine_row(health, list(health))), b"\n"])
    else:
        session.write_text("".join(f"{line}\n" for line in describe(health)))


def describe(health: Mapping[str, Any]) -> Iterator[str]:
    """The health of a store as lines of text."""
    facts: dict[str, str] = {"store": f"{health['store']} (schema {health['schema_version']})"}
    sources = health["sources"]
    facts["sources"] = f"{sum(sources.values()):,}" + (f" ({_listed(sources)})" if sources else "")
    facts["read"] = f"{plural(health['packets'], 'packet')}, {human_bytes(health['bytes'])}"
    if health["first_ts"] is not None:
        facts["time span"] = f"{short_time(health['first_ts'])} to {short_time(health['last_ts'])} UTC"
    facts["rows"] = ", ".join(f"{human_count(health[name])} {name}" for name in ("flows", "events", "dns"))
    lake = health["lake"].values()
    facts["lake"] = (
        f"{human_bytes(sum(t['bytes'] for t in lake))} in {plural(sum(t['segments'] for t in lake), 'segment')}"
    )
    kept = health["kept"]
    if kept["files"]:
        facts["packets"] = f"{human_bytes(kept['bytes'])} in {plural(kept['files'], 'file')}"
        if kept["first_ts"] is not None:
            facts["packets"] += f", {short_time(kept['first_ts'])} to {short_time(kept['last_ts'])} UTC"
    facts["database"] = human_bytes(health["database_bytes"])
    facts["disk free"] = human_bytes(health["free_bytes"])
    facts["findings"] = _listed(health["findings_by_severity"]) or "none"
    if health["findings"]:
        facts["findings"] += f" ({_listed(health['findings'])})"
    if health["proxies"]:
        facts["proxies"] = "; ".join(
            f"{seen['proxy']} ({plural(seen['flows'], 'flow')} of {plural(seen['clients'], 'client')})"
            for seen in health["proxies"]
        )
    if health["outlets"]:
        facts["outlets"] = "; ".join(_outlet(outlet) for outlet in health["outlets"])
    if health["settings"]:
        facts["read with"] = ", ".join(_setting(name, values) for name, values in health["settings"].items())
    for label, value in facts.items():
        yield f"{label:<{_LABEL_WIDTH}}{clean(value)}"
    for told in health["live"]:
        yield from (clean(line) for line in describe_live(told, time.time_ns()))
    if health["counters"]:
        yield "counted"
    for kind, names in health["counters"].items():
        numbers = ", ".join(f"{name} {human_count(n)}" for name, n in names.items())
        yield f"  {clean(kind):<{_LABEL_WIDTH - 2}}{clean(numbers)}"
    if health["damaged"]:
        yield "not read to the end"
    for source in health["damaged"]:
        reason = f": {source['error']}" if source["error"] else ""
        yield clean(f"  {source['name']} ({source['state']}){reason}")


def _outlet(outlet: Mapping[str, Any]) -> str:
    """webhook https://soc.example/hook (3 waiting: connection refused)."""
    trouble = f": {outlet['error']}" if outlet["error"] else ""
    waits = f"{human_count(outlet['waiting'])} waiting" if outlet["waiting"] else "all told"
    return f"{outlet['name']} ({waits}{trouble})"


def _setting(name: str, values: Iterable[int]) -> str:
    """Exchange gap 1 s; with another value for some of the sources: exchange gap 1 s or 5 s."""
    label = name.removesuffix("_ms").replace("_", " ")
    is_time = name.endswith("_ms")
    return f"{label} {' or '.join(human_duration(n / 1000) if is_time else human_count(n) for n in values)}"


def _listed(numbers: Mapping[str, int]) -> str:
    """1 critical, 2 high."""
    return ", ".join(f"{human_count(n)} {name}" for name, n in numbers.items())

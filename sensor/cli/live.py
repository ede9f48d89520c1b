"""How a live capture does, in lines for a person: the last hour's sums, and what is wrong about them."""

from collections.abc import Iterator, Mapping
from typing import Any

from sensor.cli.human import human_bytes, human_count, human_duration, plural
from sensor.cli.times import NS, short_time

RECENT_S = 3600
_SILENT_S = 90
_MOST_WORDS = 8

LOSS_FRAC, ONE_SIDED_FRAC, DUPLICATE_FRAC = 0.01, 0.2, 0.05
"""From here on a share is called wrong. Loss: Zeek's threshold; the others: a sound mirror stays far below."""


def describe_live(told: Mapping[str, Any], now_ns: int) -> Iterator[str]:
    """Lines of text.

    told : a row of store.health.live_summary with its shares; now_ns : the time of asking
    """
    yield f"live        {told['interface']}: {_standing(told, now_ns)}"
    yield (
        f"  last {human_duration(told['span_s'])}: {plural(told['packets'], 'packet')}, {human_bytes(told['bytes'])}, "
        f"{human_count(told['rows'])} rows in {human_bytes(told['bytes_written'])}"
    )
    yield (
        f"  lost here {_percent(told['drop_frac'])}, by gaps in TCP {_percent(told['loss_frac'])}; "
        f"one-sided {_percent(told['one_sided_frac'])}, duplicates {_percent(told['duplicate_frac'])}"
    )
    yield (
        f"  ring {_percent(told['ring_frac'])} full at most, flow table {_percent(_table(told))}, "
        f"slowest write {human_duration(told['flush_s'])}"
    )
    if told["kept"] or told["kept_lost"]:
        lost = f", {human_count(told['kept_lost'])} could not be" if told["kept_lost"] else ""
        yield f"  {plural(told['kept'], 'packet')} kept in {human_bytes(told['kept_bytes'])}{lost}"
    for word in told["words"][-_MOST_WORDS:]:
        yield f"  {short_time(word['ts'])} {word['what']}"
    for trouble in troubles(told):
        yield f"  ! {trouble}"


def troubles(told: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong and what to do about it, in sentences."""
    if told["nic_dropped"]:
        yield (
            f"the interface dropped {plural(told['nic_dropped'], 'packet')} before the sensor could see them: "
            f"larger receive rings may help (ethtool -G {told['interface']} rx 4096)"
        )
    if told["dropped"]:
        yield (
            f"the kernel dropped {plural(told['dropped'], 'packet')}: the sensor was too slow; "
            "give it a core, --workers, a larger ring ([capture] ring_mib) or a --filter"
        )
    if (told["loss_frac"] or 0) > LOSS_FRAC:
        yield (
            f"{_percent(told['loss_frac'])} of acknowledgements are for bytes nobody saw: the mirror port loses "
            "packets if nothing was dropped here; mirror less, or to a faster port"
        )
    if (told["one_sided_frac"] or 0) > ONE_SIDED_FRAC:
        yield (
            f"{_percent(told['one_sided_frac'])} of connections show one side only: "
            "is the mirror set to both directions?"
        )
    if (told["duplicate_frac"] or 0) > DUPLICATE_FRAC:
        yield (
            f"{_percent(told['duplicate_frac'])} of packets come twice: mirror each port once, or one direction of all"
        )
    if told["evicted"]:
        yield (
            f"{plural(told['evicted'], 'flow')} had to be reported early: the flow table is too small "
            "([capture] max_flows), or somebody floods it"
        )
    if told["rows_lost"]:
        yield f"{plural(told['rows_lost'], 'row')} could not be written: is the disk full, or too slow?"
    if told["kept_lost"]:
        yield (
            f"{plural(told['kept_lost'], 'packet')} could not be kept: is the disk full, or too slow? "
            "Keep less ([capture] keep_flow_bytes, keep_gib), or run `kagami prune`"
        )


def _standing(told: Mapping[str, Any], now_ns: int) -> str:
    if told["run"] != "running":
        return f"stopped at {short_time(told['last_ts'])} UTC" + (
            " (broken off)" if told["run"] == "interrupted" else ""
        )
    if now_ns - told["last_ts"] > _SILENT_S * NS:
        return f"no sign of life since {short_time(told['last_ts'])} UTC; is `kagami watch` still running?"
    return f"{told['state']}, watched"


def _table(told: Mapping[str, Any]) -> float | None:
    return told["flows_live"] / told["flows_max"] if told["flows_max"] else None


def _percent(share: float | None) -> str:
    if share is None:
        return "-"
    percent = share * 100
    return f"{percent:.0f} %" if percent == 0 or percent >= 9.95 else f"{percent:.2g} %"

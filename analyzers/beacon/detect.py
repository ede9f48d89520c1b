"""The beacon analyzer: channels in, findings out. Which machine keeps calling the same outside host by a clock?"""

import numpy as np
from numpy.typing import NDArray

from analyzers.beacon.context import Population, infrastructure_label, outside_mask, population_of, techniques
from analyzers.beacon.groups import merge_groups, same_address_groups
from analyzers.beacon.measure import measure_channels
from analyzers.beacon.reasons import explain, explain_answers, explain_contacts, jitter_frac
from analyzers.beacon.score import REPORT_FROM, common_cost, score_channels
from analyzers.finding import Finding, by_score, severity_of
from analyzers.series import Series
from sensor.site import Site

GROUP_GAIN = 0.05
"""How much better a merged group has to score than its best member to be told instead of it. Where two members or more
would be told, about as good is good enough: they are one behaviour."""

MAX_NAMES_TOLD = 5


def score_beacons(series: Series, site: Site, population: Population | None = None) -> list[Finding]:
    """Findings for the channels that look like a beacon to the outside, the highest score first.

    Every channel with at least REPORT_FROM is in it, at most once: alone, or in a group of names on one address.
    The same series gives the same list; the order of its channels does not matter.

    population : of the whole network, when `series` is only a part of it; None: of the series

    Raises: ValueError when the series contradicts itself (see Series.check)
    """
    population = population or population_of(series, site)
    scored = _Scored(series, site, population)
    replaced: set[int] = set()
    findings = []
    groups = same_address_groups(series)
    if groups:
        merged = _Scored(merge_groups(series, groups), site, population)
        for g, group in enumerate(groups):
            members = np.nan_to_num(scored.score[group])
            gain = -GROUP_GAIN if (members >= REPORT_FROM).sum() > 1 else GROUP_GAIN
            if merged.score[g] >= max(REPORT_FROM, members.max() + gain):
                findings.append(merged.finding(g, _names(series, group)))
                replaced.update(group)
    findings += [scored.finding(int(i)) for i in np.flatnonzero(scored.score >= REPORT_FROM) if int(i) not in replaced]
    return sorted(findings, key=by_score)


class _Scored:
    """A series with its statistics and scores; NaN where a channel is not judged."""

    def __init__(self, series: Series, site: Site, population: Population) -> None:
        self.series = series
        self.site = site
        self.stats = measure_channels(series)
        self.n_hosts = population.n_hosts
        self.n_contacting = np.array([population.clients_of.get(dest, 1) for dest in series.dest], np.int64)
        self.cost = common_cost(self.n_contacting, self.n_hosts)
        score = np.maximum(score_channels(self.stats) - self.cost, 0.0)
        self.score: NDArray[np.float64] = np.where(outside_mask(series, site), score, np.nan)

    def finding(self, i: int, names: str = "") -> Finding:
        """Channel i as a finding; `names` tells what a group was merged from."""
        series, row = self.series, self.stats[i]
        label = infrastructure_label(series.proto[i], series.resp_port[i])
        begin, end = series.off[i], series.off[i + 1]
        score = float(self.score[i])
        return Finding(
            analyzer="beacon",
            orig_ip=series.orig_ip[i],
            dest=series.dest[i],
            dest_ips=tuple(series.dest_ips[i]),
            resp_port=int(series.resp_port[i]),
            proto=series.proto[i],
            score=round(score, 4),
            severity=severity_of(score, at_most="low" if label else "high"),
            first_ts=int(series.ts_ns[begin]),
            last_ts=int(series.ts_ns[end - 1]),
            events=int(end - begin),
            interval_s=round(float(row["interval_s"]), 6),
            jitter_frac=round(jitter_frac(row), 4),
            via_proxy=series.via_proxy[i],
            reasons=[
                *explain(row),
                *explain_answers(row),
                *([names] if names else []),
                *([f"this looks like {label}; the severity is lowered"] if label else []),
                *self._surroundings(i),
            ],
            techniques=techniques(series, i, int(row["n_answered"])),
        )

    def _surroundings(self, i: int) -> list[str]:
        series = self.series
        sentences = explain_contacts(int(self.n_contacting[i]), self.n_hosts, float(self.cost[i]))
        if series.via_proxy[i]:
            sentences.append(f"asked of the proxy {series.via_proxy[i]}")
        if series.kind[i] == "exchange":
            sentences.append("the beats are exchanges inside long connections")
        elif series.kind[i] == "reply":
            sentences.append("the beats are replies inside long connections: the server speaks first each time")
        if not self.site.is_internal(series.orig_ip[i]):
            sentences.append(f"{series.orig_ip[i]} is not in the internal networks: name them if it is one of yours")
        return sentences


def _names(series: Series, group: list[int]) -> str:
    names = sorted({series.dest[i] for i in group})
    more = f" and {len(names) - MAX_NAMES_TOLD:,} more" if len(names) > MAX_NAMES_TOLD else ""
    return f"{len(names):,} names of one address taken together: {', '.join(names[:MAX_NAMES_TOLD])}{more}"

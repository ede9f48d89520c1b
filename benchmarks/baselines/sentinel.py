"""Microsoft Sentinel: one exact gap, in whole seconds, that nearly all events of an hour keep.

Source: Azure-Sentinel, PaloAlto-NetworkBeaconing 1.0.4. Per source in time order, the gap to the *next row of the
same source*, whatever its destination (a fault of the rule, kept); gaps up to 25 s dropped; per hour, source and
destination: more than 30 gaps, of which the commonest occurs more than 25 times and makes more than 80 %.

The rule only says yes or no. Ranked here: 1 + that share where it says yes; else the share, less for few gaps.
"""

from typing import Any

import numpy as np

MIN_GAP_S = 25
MIN_EVENTS, MIN_COMMONEST, MIN_SHARE = 30, 25, 0.8
HOUR_S = 3600


def score(ev: Any) -> dict[str, Any]:
    """Above 1 where the rule fires in some hour; the period is the commonest gap of the best hour."""
    pair = np.repeat(np.arange(ev.n), np.diff(ev.off))
    source = ev.pair_src[pair]
    order = np.lexsort((ev.ts, source))
    second = np.floor(ev.ts[order]).astype(np.int64)
    gap = np.diff(second)
    kept = (source[order][1:] == source[order][:-1]) & (gap > MIN_GAP_S)
    pair, hour, gap = pair[order][:-1][kept], second[:-1][kept] // HOUR_S, gap[kept]

    result, period = np.zeros(ev.n), np.full(ev.n, np.nan)
    cells, count = np.unique(np.stack([pair, hour, gap]), axis=1, return_counts=True)
    starts = (
        np.flatnonzero(np.concatenate([[True], (np.diff(cells[:2], axis=1) != 0).any(axis=0)])) if len(count) else []
    )
    for begin, end in zip(starts, [*starts[1:], len(count)], strict=True):
        total = int(count[begin:end].sum())
        best = begin + int(count[begin:end].argmax())
        share = count[best] / total
        fires = total > MIN_EVENTS and count[best] > MIN_COMMONEST and share > MIN_SHARE
        rank = 1 + share if fires else share * min(total / (MIN_EVENTS + 1), 1.0) * 0.99
        i = cells[0, begin]
        if rank > result[i]:
            result[i], period[i] = rank, cells[2, best]
    return {"score": result, "period": period}

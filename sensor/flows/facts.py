"""What is known of a flow beyond its addresses and counts: fingerprints, certificates, forwarders.

Most flows have none, so facts have rows of their own, taken when the first is learned and freed with the flow.
"""

import numpy as np
from numba import types as t

from sensor.flows.rows import FLOW_REC
from sensor.flows.state import N_FACTS, STATE_REC
from sensor.jit import packet_kernel as kernel

_FREE, _TOP, LOST = range(3)


@kernel(t.int64(STATE_REC, FLOW_REC))
def facts_of(s, f):
    """Number of the row of a flow's facts, a new one when it has none; without room 0, a row that nobody reads."""
    facts = s.facts
    if f["facts"] == 0:
        if facts.meta[_FREE] == 0:
            facts.meta[LOST] += 1
            return np.int64(0)
        facts.meta[_FREE] -= 1
        number = np.int64(facts.free[facts.meta[_FREE]])
        facts.meta[_TOP] = max(facts.meta[_TOP], number + 1)
        facts.rows[number] = facts.blank[0]
        f["facts"] = np.uint32(number)
    return np.int64(f["facts"])


@kernel(t.void(STATE_REC, FLOW_REC))
def free_facts(s, f):
    """Give back the row of a flow that ends."""
    facts = s.facts
    if f["facts"]:
        facts.free[facts.meta[_FREE]] = np.int32(f["facts"])
        facts.meta[_FREE] += 1
        f["facts"] = 0


@kernel(t.uint32(STATE_REC, FLOW_REC))
def report_facts(s, f):
    """Copy a flow's facts to the buffers; the number of the copy, 0 when the flow has none."""
    if f["facts"] == 0:
        return np.uint32(0)
    out = s.out
    out.n[N_FACTS] += 1
    out.facts[out.n[N_FACTS]] = s.facts.rows[f["facts"]]
    return np.uint32(out.n[N_FACTS])

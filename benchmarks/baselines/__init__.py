"""Detectors to be compared with, each a `score(ev)` for the evaluation that `detection_table.py` runs.

`ev` holds events sorted by pair and time: `ts` (seconds), `orig_bytes`, `resp_bytes`, `duration`, `off` (pair i has
the events off[i] to off[i + 1]), `pair_src`, `pair_dst`, `n`, `n_hosts`, `window`, `eligible()`, `prevalence()`. A
score is one number a pair, higher is more suspicious; a dict adds `period` in seconds, NaN where there is none.

All is own code after descriptions of the rules; what each follows, and where a rule that only says yes or no was
given a ranking, stands in its file. Needs numpy and numba only.
"""

"""Runs detectors over labelled event sets and writes how they compare, as markdown.

usage: detection_table.py --bench DIR --data SET.npz... [--scorers NAME=MODULE:FUNCTION...] [--output FILE]

--bench is a folder with evaluate.py, which says what is measured and how; sets come from its generate.py. A set whose
name has `sweep` in it holds more malicious pairs than a network does: it counts for what is found, never for average
precision. A detector whose package is not on this machine is left out and named. Scores are told alone and times a
plain prior for how few hosts go to the destination, which any detector could take.
"""

import argparse
import copy
import csv
import importlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

REPO = Path(__file__).resolve().parent.parent
DETECTORS = {
    "kagami": "benchmarks.detection:score",
    "RITA v5": "benchmarks.baselines.rita:score",
    "RITA v5, its ranking": "benchmarks.baselines.rita:ranking",
    "Elastic": "benchmarks.baselines.elastic:score",
    "Sentinel": "benchmarks.baselines.sentinel:score",
    "Flare": "benchmarks.baselines.flare:score",
    "BAYWATCH core": "benchmarks.baselines.baywatch:score",
    "MAD": "benchmarks.baselines.mad:score",
    "CV": "benchmarks.baselines.cv:score",
    "Fisher's g": "benchmarks.baselines.fisher:score",
}
WARM_PAIRS = 64
RATES = ("0.0001", "0.001", "0.01")
GROUPS = {"jitter": "Jitter", "interval": "Interval", "n": "Events", "condition": "Condition"}

MEANING = """\
AP: average precision, mean over the sets that are no sweep. 1e-4, 1e-3, 1e-2: share of malicious pairs found when that
share of benign pairs is reported. Untimed: against benign pairs that no timer drives. Period: within 5 %, of those
found at 1e-3. Prior: the score times a plain prior for how few hosts go there. Speed: CPU time, without compiling."""

Scorer = Callable[[Any], Any]
Result = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Measured:
    """What a detector reached: as it is, and with the prior. speed : million events a minute of CPU time"""

    plain: Result
    prior: Result
    speed: float

    @property
    def gains_by_prior(self) -> bool:
        """Whether it is better off with the prior: by average precision, else by what is found at 1e-3."""
        key = "AP" if "AP" in self.plain else "TPR@0.001"
        return bool(self.prior[key] > self.plain[key])

    @property
    def better(self) -> Result:
        """The better of the two."""
        return self.prior if self.gains_by_prior else self.plain


def read_labels(path: Path) -> dict[str, Any]:
    """The columns of a label file as arrays of int64, float64 or text, whichever fits first."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {name: _array([row[name] for row in rows]) for name in rows[0]}


def _array(texts: list[str]) -> Any:
    for kind in (np.int64, np.float64):
        try:
            return np.array(texts, dtype=np.str_).astype(kind)
        except ValueError:
            continue
    return np.array(texts, dtype=np.str_)


def load(words: Sequence[str]) -> tuple[dict[str, Scorer], list[str]]:
    """Scorers of NAME=MODULE:FUNCTION, and a sentence for each that cannot be had here."""
    found: dict[str, Scorer] = {}
    absent = []
    for word in words:
        name, _, place = word.partition("=")
        module, _, function = place.partition(":")
        try:
            found[name] = getattr(importlib.import_module(module), function)
        except ImportError as error:
            absent.append(f"{name} was left out: {error}")
    return found, absent


def first_pairs(ev: Any, n: int) -> Any:
    """The same network with its first pairs only: enough to have a detector compile."""
    few = copy.copy(ev)
    few.n = min(n, ev.n)
    few.off = ev.off[: few.n + 1]
    for name in ("ts", "orig_bytes", "resp_bytes", "duration"):
        setattr(few, name, getattr(ev, name)[: few.off[-1]])
    few.pair_src, few.pair_dst = ev.pair_src[: few.n], ev.pair_dst[: few.n]
    return few


def measure(scorer: Scorer, sets: list[tuple[Path, dict[str, Any]]], bench: ModuleType) -> Measured:
    """Run a detector over the sets, one in memory at a time. CPU time is without compiling."""
    plain, prior = [], []
    n_events, seconds = 0, 0.0
    for path, labels in sets:
        ev = bench.Events(path)
        scorer(first_pairs(ev, WARM_PAIRS))
        begin = time.process_time()
        got = scorer(ev)
        seconds += time.process_time() - begin
        n_events += len(ev.ts)
        got = got if isinstance(got, dict) else {"score": got}
        pairs = labels["pair_id"]
        score = np.asarray(got["score"], np.float64)
        period = got.get("period")
        period = None if period is None else np.asarray(period, np.float64)[pairs]
        is_sweep = "sweep" in path.name
        plain.append((labels, score[pairs], period, is_sweep))
        weighted = bench.prevalence_prior(score, ev.prevalence(), ev.n_hosts)
        prior.append((labels, weighted[pairs], period, is_sweep))
    return Measured(bench.evaluate(plain), bench.evaluate(prior), n_events / seconds * 60 / 1e6)


def _number(value: float | None, digits: int = 3) -> str:
    return "-" if value is None or np.isnan(value) else f"{value:.{digits}f}"


def comparison(measured: dict[str, Measured]) -> Iterator[str]:
    """The main table."""
    yield "| detector | prior | AP | 1e-4 | 1e-3 | 1e-2 | 1e-4, untimed | period | M events/min |"
    yield "|---|---|--:|--:|--:|--:|--:|--:|--:|"
    for name, got in measured.items():
        for prior, result in (("no", got.plain), ("yes", got.prior)):
            found = [_number(result[f"TPR@{float(rate):g}"]) for rate in RATES]
            cells = [name, prior, _number(result.get("AP")), *found, _number(result[f"TPRnp@{float(RATES[0]):g}"])]
            yield f"| {' | '.join([*cells, _number(result.get('period_ok_detected')), _number(got.speed, 1)])} |"


def breakdown(measured: dict[str, Measured], group: str, title: str) -> Iterator[str]:
    """What is found of each band of one property; bands with fewer than five malicious pairs are left out."""
    tables = {
        f"{name}{' + prior' if got.gains_by_prior else ''}": got.better["breakdown"].get(group, {})
        for name, got in measured.items()
    }
    yield f"| {title} | pairs | {' | '.join(tables)} |"
    yield f"|---|--:|{'--:|' * len(tables)}"
    for band, (n_pairs, *_) in next(iter(tables.values())).items():
        yield f"| {band} | {n_pairs} | {' | '.join(f'{table[band][1]:.2f}' for table in tables.values())} |"


def page(measured: dict[str, Measured], absent: list[str], sets: list[tuple[Path, dict[str, Any]]]) -> str:
    """The whole document."""
    lines = ["| set | pairs | malicious | timed benign |", "|---|--:|--:|--:|"]
    for path, labels in sets:
        malicious, timed = int(labels["label"].sum()), int(((labels["periodic"] == 1) & (labels["label"] == 0)).sum())
        lines.append(f"| {path.stem} | {len(labels['label']):,} | {malicious:,} | {timed:,} |")
    lines += [
        "",
        MEANING,
        "",
        *comparison(measured),
    ]
    for group, title in GROUPS.items():
        lines += [
            "",
            f"Found at 1e-3, by {title.lower()}, each detector at its better:",
            "",
            *breakdown(measured, group, title),
        ]
    return "\n".join([*lines, "", *absent]).rstrip() + "\n"


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description="Compare detectors on labelled event sets.")
    parser.add_argument("--bench", type=Path, default=REPO.parent / "shared" / "beaconbench", help="holds evaluate.py")
    parser.add_argument("--data", type=Path, nargs="+", required=True, metavar="SET.npz")
    parser.add_argument(
        "--scorers", nargs="+", metavar="NAME=MODULE:FUNCTION", help="default: kagami and all baselines"
    )
    parser.add_argument("--output", type=Path, help="default: standard output")
    words = parser.parse_args()
    sys.path[:0] = [str(REPO), str(words.bench)]
    scorers, absent = load(words.scorers or [f"{name}={place}" for name, place in DETECTORS.items()])
    for sentence in absent:
        print(sentence, file=sys.stderr)
    if not scorers:
        parser.error("none of the detectors can be imported here")
    if not (words.bench / "evaluate.py").is_file():
        parser.error(f"no evaluate.py in {words.bench}: name its folder with --bench")
    bench = importlib.import_module("evaluate")
    sets = [(path, read_labels(path.with_name(f"{path.stem}.labels.csv"))) for path in words.data]
    measured = {}
    for name, scorer in scorers.items():
        print(name, file=sys.stderr)
        measured[name] = measure(scorer, sets, bench)
    text = page(measured, absent, sets)
    if words.output:
        words.output.write_text(text, encoding="utf-8")
    else:
        print(text, end="")


if __name__ == "__main__":
    main()

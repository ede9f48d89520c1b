"""What analyzers say: every sentence is there in both languages, made of the same values, and outlives the store."""

import ast
import copy
import inspect
import json
import pickle
import re
from collections.abc import Callable
from importlib import resources
from inspect import formatannotation
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from analyzers import known
from analyzers.beacon import context, keepalive
from analyzers.beacon import groups as beacon_groups
from analyzers.beacon.tell import FORWARDED, RESOLVED
from analyzers.egress import category
from analyzers.egress.table import OUTCOMES
from analyzers.finding import Finding
from analyzers.words import english, english_terms, japanese, japanese_terms
from analyzers.words.phrase import Phrase, tell
from sensor.capture.walk import ANOMALIES
from sensor.cli.clean import clean
from sensor.cli.report.japanese import Japanese
from sensor.constants import STATUS_NAMES
from sensor.destinations import load_destinations
from sensor.flows.rows import KIND_NAMES
from sensor.policy import ROLE_DEFAULTS, SERVICES
from sensor.response import dossier
from sensor.response.techniques import technique_name
from sensor.store.egress import SERVICE_PORTS
from sensor.store.findings import findings, phrases
from sensor.store.schema import FINDING_STATES, SOURCE_STATES
from sensor.store.store import Store
from sensor.store.surroundings import _LOST
from tests.property.test_hostile_output import HOSTILE_TEXT
from tests.support.cli_store import finding
from tests.support.languages import english_left

ENGLISH, JAPANESE = english.ENGLISH, japanese.JAPANESE

SAMPLES: dict[str, Any] = {
    "int": 3, "float": 0.25, "bool": True, "str": "value", "Sequence[str]": ["one", "two"],
    "Sequence[tuple[str, int]]": [("one", 2)],
}  # fmt: skip
"""A value by its annotation."""

CLOSED: dict[str, Any] = {
    "outcome": "half", "way": "past", "role": "file", "parts": [("clock", 1.5), ("follow", -0.5)],
    "outcomes": [("established", 2), ("refused", 1)], "category": "web", "kind": "names of one address",
    "lowered": "score", "label": "clock", "services": ["443/tcp"], "allowed": ["dns"],
}  # fmt: skip
"""A value of the parameters that take the words of a vocabulary."""


def values_of(make: Callable[..., str], **given: Any) -> dict[str, Any]:
    parameters = inspect.signature(make).parameters.values()
    samples = {
        one.name: CLOSED.get(one.name, SAMPLES.get(formatannotation(one.annotation).split(".")[-1]))
        for one in parameters
    }
    if make.__name__ == "answers":
        samples["services"] = [("smb", 4)]
    return samples | {name: value for name, value in given.items() if name in samples}


def said(code: str, **given: Any) -> Phrase:
    """A phrase of a code as an analyzer makes it."""
    return getattr(english, code)(**values_of(ENGLISH[code], **given))


def kept(phrase: Phrase) -> Any:
    """What it was made of, as the store gives it back."""
    return json.loads(json.dumps(phrase.made))


def test_both_languages_have_every_sentence() -> None:
    assert ENGLISH.keys() == JAPANESE.keys()


@pytest.mark.parametrize("code", ENGLISH)
def test_both_languages_use_the_same_values(code: str) -> None:
    for make in (ENGLISH[code], JAPANESE[code]):
        names = {node.id for node in ast.walk(ast.parse(inspect.getsource(make))) if isinstance(node, ast.Name)}
        assert list(inspect.signature(make).parameters) == list(inspect.signature(ENGLISH[code]).parameters)
        assert set(inspect.signature(make).parameters) <= names, make.__module__


@pytest.mark.parametrize("code", ENGLISH)
@pytest.mark.parametrize("flag", [False, True])
def test_a_sentence_comes_back_from_the_store(code: str, flag: bool) -> None:
    flags = dict.fromkeys(("is_never_told", "weighs_more", "is_beat", "is_explained"), flag)
    phrase = said(code, **flags)
    assert tell(kept(phrase), ENGLISH) == phrase
    told = tell(kept(phrase), JAPANESE)
    assert told
    assert not english_left(told.replace("value", "").replace("one", "").replace("two", "")), told
    assert not told.endswith("。")


@given(HOSTILE_TEXT)
def test_hostile_values_stay_values(text: str) -> None:
    for code, make in ENGLISH.items():
        names = [one.name for one in inspect.signature(make).parameters.values() if one.annotation is str]
        phrase = said(code, **{name: text for name in names if name not in ("outcome", "way", "role")})
        told = tell(phrase.made, JAPANESE)
        assert told is not None
        assert clean(told).isprintable()


def test_numbers_of_numpy_are_kept_as_numbers() -> None:
    phrase = english.bursts(np.int64(30), np.int32(10), np.float64(2.5))
    assert kept(phrase) == {"code": "bursts", "values": {"n_events": 30, "n_beats": 10, "pause_s": 2.5}}
    assert phrase == english.bursts(30, 10, 2.5) == "30 events make the 10 beats: those less than 2.5 s apart are one"


def test_phrases_inside_are_told_as_well() -> None:
    why = english.answers([("kerberos", 30), ("smb", 2)])
    phrase = english.guessed_server("directory", why)
    assert phrase == (
        "a directory server (guessed: it answers kerberos to 30 hosts, smb to 2 hosts; "
        "name it in the site file to keep or correct that)"
    )
    told = tell(kept(phrase), JAPANESE)
    assert told is not None
    assert "Kerberos で 30 台、SMB で 2 台に応答" in told
    beside = english.beside_it([("clock", 2), (english.as_hosts_do("a.example", 30), 1)])
    assert beside == "beside it, direct channels that weigh little: 2 clock, 1 a.example as 30 hosts do"
    assert "「a.example（30 台に共通）」1 件" in str(  # noqa: RUF001
        tell(kept(beside), JAPANESE)
    )


@pytest.mark.parametrize(
    "made",
    [
        {"code": "of_a_newer_kagami", "values": {}},
        {"code": "bursts", "values": {"n_events": 1}},
        {"code": "bursts", "values": {"n_events": "a", "n_beats": "b", "pause_s": "c"}},
        {"code": "raised_by", "values": {"parts": [["a feature that went", 1.0]]}},
        {"code": "guessed_server", "values": {"role": "file", "why": {"code": "gone", "values": {}}}},
    ],
)
def test_what_another_version_kept_is_not_told(made: dict[str, Any]) -> None:
    assert tell(made, JAPANESE) is None


def test_a_phrase_is_a_text_that_can_be_copied() -> None:
    phrase = english.still_open()
    for one in (copy.copy(phrase), copy.deepcopy(phrase), pickle.loads(pickle.dumps(phrase))):
        assert (one, type(one), one.made) == (phrase, Phrase, phrase.made)
    assert json.dumps([phrase]) == json.dumps([str(phrase)])


def test_the_store_keeps_what_reasons_were_made_of(store_dir: Path) -> None:
    reasons = [english.still_open(), english.asked_of_proxy("10.0.0.5:3128")]
    dest = english.many_destinations("web", "refused", True, False)
    one = Finding(
        "bypass", "10.0.0.1", dest, (), 443, "tcp", 0.5, "low", 0, 1, 2, reasons=list(reasons), interval_s=60.0
    )
    with Store.open(store_dir, write=True) as store:
        (number,) = store.upsert_findings([one.row()])
        assert findings(store)[0][0]["reasons"] == [str(reason) for reason in reasons]
        assert findings(store)[0][0]["dest"] == "many destinations (web, refused at a beat)"
        assert phrases(store, [number]) == {str(text): kept(text) for text in (dest, *reasons)}
        store.upsert_findings([one.row() | {"reasons": ["x"], "phrases": {}}])
        assert phrases(store, [number]) == {}
        (other,) = store.upsert_findings([finding(dest="other.example")])
        assert phrases(store, [other, 99]) == {}


# --- closed vocabularies ---


def test_every_word_of_a_reason_is_known_in_japanese() -> None:
    categories = {one.words for one in vars(category).values() if isinstance(one, category.Category)}
    software = {one.label for known_as in known._known().values() for one in known_as}
    sets = load_destinations().sets
    sources = ast.walk(ast.parse(inspect.getsource(beacon_groups)))
    strings = {node.value for node in sources if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    united_by = {text for text in strings if re.fullmatch(r"(names|addresses|servers|destinations) .*", text)}
    labels = {keepalive.LABEL, FORWARDED, RESOLVED, "clock", "ping of ordinary size"}
    labels |= {one.label for one in sets.values() if one.label}
    words = (
        categories | united_by | software | labels | set(context._INFRASTRUCTURE.values()) | set(OUTCOMES)
        | set(sets) | set(SERVICES) | set(SERVICE_PORTS.values()) | {"score", "severity"}
    )  # fmt: skip
    assert len(united_by) == 6
    assert words - japanese_terms._TERMS.keys() == set()
    assert japanese_terms._TERMS.keys() - words == set(), "nobody says these"
    assert japanese_terms.term("a word of the site file") == "a word of the site file"
    assert ROLE_DEFAULTS.keys() == japanese_terms.ROLES.keys()
    assert english_terms.WAYS.keys() == japanese_terms.WAYS.keys()
    assert english_terms.OUTCOMES_MEAN.keys() == japanese_terms.OUTCOMES_MEAN.keys() == set(OUTCOMES)


def test_every_word_of_a_page_is_known_in_japanese() -> None:
    words = Japanese()
    assert words["states"].keys() == set(FINDING_STATES)
    assert words["sightings"].keys() == {*KIND_NAMES, "lookup"}
    assert words["outcomes"].keys() == set(OUTCOMES)
    names = {how for how, _ in dossier._LEARNED[1:]} | set(dossier._NAME_SOURCES.values()) | {"DNS answer"}
    assert all(words.of("hows", how) != how for how in names if " " in how or how.islower())
    assert all(words.source_state(state, "error") != state for state in SOURCE_STATES)
    counters = {*STATUS_NAMES[2:], *ANOMALIES.values(), *_LOST}
    assert all(not words.counter(name, 3).startswith(name) for name in counters)


def test_every_technique_has_a_name() -> None:
    sources = [resources.files("analyzers").joinpath(*parts).read_text(encoding="utf-8") for parts in (
        ("beacon", "context.py"), ("egress", "category.py"), ("pairs.py",), ("watchlist.py",))]  # fmt: skip
    numbers = set(re.findall(r"\"(T\d{4}(?:\.\d{3})?)\"", "".join(sources)))
    assert len(numbers) > 10
    for number in numbers:
        assert technique_name(number), number
        assert Japanese().technique(number), number

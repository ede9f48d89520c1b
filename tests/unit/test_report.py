"""The report: both languages, both formats, whatever the network said; and what a browser makes of it."""

import json
import re
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from analyzers.words import english
from sensor.cli.report import html, markdown
from sensor.cli.report.languages import LANGUAGES
from sensor.cli.report.words import harmless
from sensor.response.summary import Summary, summarize
from sensor.store import desk
from sensor.store.store import Store
from tests.property.test_hostile_output import HOSTILE_TEXT, dossier_of
from tests.support.cli_store import BEACON_HOST, HOSTILE, make_store
from tests.support.command import Call, caller
from tests.support.programs import needs

NOW = 1_764_064_800_000_000_000
TAGS = {
    *("html", "head", "meta", "title", "style", "body", "main", "header", "section", "h1", "h2", "h3", "p", "br", "ul"),
    *(
        "li",
        "b",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "span",
        "dl",
        "dt",
        "dd",
        "a",
        "svg",
        "g",
        "rect",
        "line",
    ),
    "text",
}


class Reader(HTMLParser):
    """Collects tags, attributes and text as a browser would."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = make_store(tmp_path_factory.mktemp("report") / "store")
    with Store.open_for_notes(path) as store:
        desk.triage(store, [1], "investigating", note=HOSTILE, who="ann", made_ts=NOW)
    return path


@pytest.fixture
def kagami(path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Call:
    return caller(path, monkeypatch, capfdbinary)


def summary_of(text: str) -> Summary:
    dossier = dossier_of(text)
    finding = dossier.finding
    hosts = [{"group": text, "severity": text, "findings": 1, "dests": [text], "first_ts": 0, "last_ts": 1}]
    made = {"code": "contacted", "values": {"value": text, "known": text, "origin": text}}
    captures, absent = dossier.captures, ["2026-01-01"]
    return Summary(0, 1, [finding] * 2, 1, 1, [dossier], hosts, [finding], captures, absent, {}, {text: made})


def harmless_page(text: str) -> None:
    """Raise where a page could do anything but be read."""
    reader = Reader()
    reader.feed(text)
    assert reader.tags <= TAGS
    for name, value in reader.attributes:
        assert not name.startswith("on")
        assert name not in ("src", "style", "action", "srcset")
        if name == "href":
            assert value is not None
            assert value.startswith("#finding-")
    assert all(word.replace("\n", "").isprintable() for word in reader.words)
    policy = next(value for name, value in reader.attributes if name == "content" and value and "-src" in value)
    assert re.match(r"default-src 'none'; style-src 'sha256-[A-Za-z0-9+/=]{44}'; base-uri 'none'", policy)


@given(HOSTILE_TEXT, st.sampled_from(sorted(LANGUAGES)))
@example(HOSTILE, "en")
@example("<img src=x onerror=alert(1)>\"'", "ja")
@example("]]></style><script>", "en")
def test_hostile_text_is_text_on_the_page(text: str, language: str) -> None:
    harmless_page(html.page(summary_of(text), language, NOW))


@given(HOSTILE_TEXT, st.sampled_from(sorted(LANGUAGES)))
@example("| a |\n# b [x](http://y) <b> `c` ![i](z)", "en")
def test_hostile_text_is_text_in_markdown(text: str, language: str) -> None:
    page = markdown.page(summary_of(text), language, NOW)
    assert page.replace("\n", "").isprintable()
    assert not re.search(r"(?<!\\)(?:\\\\)*[`<>]", page)
    assert not re.search(r"(?<!\\)\]\(", page)
    table = [line for line in page.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) for line in table} == {11}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("form", ["html", "md"])
def test_the_page_of_a_store(kagami: Any, tmp_path: Path, language: str, form: str) -> None:
    target = tmp_path / "report"
    told = kagami("report", "--lang", language, "--format", form, "-o", str(target))
    assert told.code == 0
    text = target.read_text(encoding="utf-8")
    words = LANGUAGES[language]()
    for key in ("title", "summary", "findings", "blocked", "health", "not_seen"):
        assert words[key] in text
    assert BEACON_HOST in text
    assert harmless("cdn.updates.example").replace("[", "\\[" if form == "md" else "[").replace(
        "]", "\\]" if form == "md" else "]") in text  # fmt: skip
    if form == "html":
        harmless_page(text)
        assert text.count("<svg") == 2
        assert f'lang="{language}"' in text
    assert kagami("report", "--lang", language, "--format", form).out.splitlines()[0] == text.splitlines()[0]


def test_a_window_without_findings_says_so(kagami: Any) -> None:
    told = kagami("report", "--format", "md", "--since", "2001-01-01", "--until", "2001-01-02")
    assert "No open finding in this window" in told.out


def test_what_is_settled_or_allowed_is_left_out_and_counted(path: Path) -> None:
    with Store.open(path) as store:
        summary = summarize(store, None, None, min_score=0.0, most=1, now_ns=NOW)
        assert (len(summary.findings), len(summary.dossiers), summary.settled, summary.hidden) == (3, 1, 0, 0)
        assert [row["outcome"] for row in summary.blocked] == ["unanswered"]
        assert summary.severities() == {"critical": 1, "high": 1, "low": 1}


def test_both_languages_have_the_same_words() -> None:
    english, japanese = (LANGUAGES[language].catalogue for language in ("en", "ja"))
    assert {key: type(value) for key, value in english.items()} == {key: type(japanese[key]) for key in japanese}
    assert english["steps"].keys() == japanese["steps"].keys()
    for key, value in english.items():
        if isinstance(value, str):
            other = japanese[key]
            assert set(re.findall(r"\{\w+\}", value)) == set(re.findall(r"\{\w+\}", other)), key
            assert other
            assert value or key == "untold"


@pytest.mark.parametrize("form", [html, markdown])
def test_reasons_that_are_kept_in_english_only_stay_so_and_the_page_says_it(path: Path, form: Any) -> None:
    with Store.open(path) as store:
        summary = summarize(store, None, None, min_score=0.0, most=20, now_ns=NOW)
    japanese = LANGUAGES["ja"]
    reason = summary.dossiers[0].finding["reasons"][0]
    assert japanese.catalogue["untold"] in form.page(summary, "ja", NOW)
    made = {"code": "still_open", "values": {}}
    told = replace(summary, phrases={text: made for one in summary.dossiers for text in one.finding["reasons"]})
    page = form.page(told, "ja", NOW)
    assert japanese.catalogue["untold"] not in page
    assert japanese(told.phrases).told(reason) in page
    assert 'lang="en"' not in page


@pytest.mark.parametrize("language", LANGUAGES)
def test_destinations_inside_reasons_are_harmless_too(language: str) -> None:
    beside = english.beside_it([(english.as_hosts_do("a.evil.example", 30), 1)])
    reasons = [english.contacted("b.evil.example", "feed 1.2", ""), beside, english.asked_of_proxy("10.0.0.5:3128"),
               english.taken_together(9, "names below one domain", ["c.evil.example"])]  # fmt: skip
    words = LANGUAGES[language]({str(reason): reason.made for reason in reasons})
    told = " ".join(words.told(reason) for reason in reasons)
    for name in "abc":
        assert f"{name}[.]evil[.]example" in told
    assert "evil.example" not in told
    assert "10.0.0.5:3128" in told
    assert "feed 1.2" in told


@pytest.mark.parametrize("form", [html, markdown])
def test_a_name_that_says_what_a_reason_says_is_still_a_name(form: Any) -> None:
    many, claimed = english.many_destinations("web", "refused", False, False), english.still_open()
    phrases = {str(text): text.made for text in (many, claimed)}
    rows = [{**summary_of("x").findings[0], "dest": str(dest), "reasons": [str(claimed)]} for dest in (many, claimed)]
    page = form.page(replace(summary_of("x"), findings=rows, phrases=phrases), "ja", NOW)
    assert "多数の通信先" in page
    assert "many destinations" not in page
    assert "still open when the capture ended" in page


@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_browser_opens_it_without_a_message_or_a_request(kagami: Any, tmp_path: Path, language: str) -> None:
    chromium = needs("chromium", "chromium")
    page, log = tmp_path / "report.html", tmp_path / "net.json"
    assert kagami("report", "--lang", language, "-o", str(page)).code == 0
    done = subprocess.run(
        [needs("unshare", "util-linux"), "-n", chromium, "--headless", "--no-sandbox", "--disable-gpu",
         "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--disable-extensions",
         "--disable-features=Translate,OptimizationHints", f"--user-data-dir={tmp_path / 'profile'}",
         f"--log-net-log={log}", "--enable-logging=stderr", f"--screenshot={tmp_path / 'page.png'}", page.as_uri()],
        capture_output=True, text=True, timeout=600, check=False, cwd=tmp_path,
    )  # fmt: skip
    if done.returncode and "unshare" in done.stderr:
        pytest.skip("network namespaces cannot be made here")
    assert (tmp_path / "page.png").stat().st_size > 10_000
    assert "CONSOLE" not in done.stderr
    text = log.read_text(encoding="utf-8", errors="replace")
    events = json.loads(text if text.rstrip().endswith("}") else text.rstrip().rstrip(",") + "]}")["events"]
    asked = {str(event["params"].get("initiator")) for event in events if "url" in event.get("params", {})}
    assert not any(initiator.startswith("file") for initiator in asked)

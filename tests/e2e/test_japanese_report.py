"""`kagami report --lang ja` on real captures and on the made office: no English sentence is left in it."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from analyzers.words.english import ENGLISH
from analyzers.words.japanese import JAPANESE
from analyzers.words.phrase import tell
from sensor.cli.report import html, markdown
from sensor.response.summary import Summary, summarize
from sensor.run import replay
from sensor.site import load_site
from sensor.store.store import Store
from tests.support import office
from tests.support.languages import english_left

CAPTURES = (
    "c2/strrat.pcap",
    "c2/dridex-2020-06-03.pcap",
    "c2/empire-5s-50min.pcap",
    "proxy/proxy-browsing-1h.pcap",
    "benign/ocsp-2h25.pcapng",
)
NOW = 1_795_600_000_000_000_000


class Prose(HTMLParser):
    """Collects what a page says, without cells of data and the style sheet."""

    def __init__(self) -> None:
        super().__init__()
        self._left_out = ""
        self.lines: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "style" or (tag == "td" and dict(attrs).get("class") == "data"):
            self._left_out = tag

    def handle_endtag(self, tag: str) -> None:
        if tag == self._left_out:
            self._left_out = ""

    def handle_data(self, data: str) -> None:
        if not self._left_out:
            self.lines.append(data)


def told(store_dir: Path, capture: Path) -> Summary:
    """Replay a capture; what the report tells of it."""
    replay([str(capture)], store_dir, site=load_site(None))
    with Store.open(store_dir) as store:
        return summarize(store, None, None, min_score=0.0, most=20, now_ns=NOW)


def assert_japanese(summary: Summary) -> None:
    for row in summary.findings:
        for reason in row["reasons"]:
            assert tell(summary.phrases[reason], ENGLISH) == reason
            assert_no_english(str(tell(summary.phrases[reason], JAPANESE)))
    prose = Prose()
    prose.feed(html.page(summary, "ja", NOW))
    for line in (*prose.lines, *markdown.page(summary, "ja", NOW).splitlines()):
        assert_no_english(line)


def assert_no_english(line: str) -> None:
    text = re.sub(r"kagami [a-z]+( \d+ -o DIR)?", "", line)
    text = re.sub(r"(?:[\w-]|\\-)+(?:(?:\.|\[\.\]|\\\[\.\\\])(?:[\w-]|\\-)+)+", "", text)  # names of hosts
    assert not english_left(text), line


@pytest.mark.slow
@pytest.mark.parametrize("capture", CAPTURES)
def test_no_english_is_left_of_a_real_capture(shared_data: Path, tmp_path: Path, capture: str) -> None:
    assert_japanese(told(tmp_path / "store", shared_data / "pcaps" / capture))


def test_no_english_is_left_of_the_demo(repo: Path, tmp_path: Path) -> None:
    summary = told(tmp_path / "store", repo / "pcaps" / "demo" / "demo.pcap")
    assert_japanese(summary)
    page = markdown.page(summary, "ja", NOW)
    assert "17 分 16 秒の間に 23 回の定期的な通信（間隔 45.6 秒、ゆらぎ 23%）" in page  # noqa: RUF001
    assert "プロキシを経由しない外部への接続 10 回（応答なし 10 回）" in page  # noqa: RUF001


@pytest.mark.slow
def test_no_english_is_left_of_the_office(tmp_path: Path) -> None:
    office.build(tmp_path / "office.pcap", 3, planted=True)
    summary = told(tmp_path / "store", tmp_path / "office.pcap")
    assert len(summary.dossiers) >= len(office.PLANTED)
    assert_japanese(summary)

"""The languages that a report can be in, by the word that `--lang` takes."""

from sensor.cli.report.english import English
from sensor.cli.report.japanese import Japanese
from sensor.cli.report.words import Words

LANGUAGES: dict[str, type[Words]] = {words.language: words for words in (English, Japanese)}

"""When somebody is at work: working hours in the site's own time zone, holidays of its country, its own days off.

In: the calendar of the site file. Out: whether a moment is outside working hours, and the spans of time that are.
Holidays come from the `holidays` library, which is loaded only where a country is named. This module never asks the
clock.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

NS = 1_000_000_000
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True)
class Calendar:
    """A site's working time.

    time_zone : IANA name
    opens, closes : local times of a working day; closes at midnight: time(0)
    weekdays : numbers of the working days, Monday is 0
    country : ISO 3166 code whose public holidays are days off, or empty
    closed : further days off
    """

    time_zone: str = "UTC"
    opens: time = time(8)
    closes: time = time(19)
    weekdays: frozenset[int] = frozenset(range(5))
    country: str = ""
    closed: frozenset[date] = frozenset()

    def day_off(self, day: date) -> str:
        """Why nobody works on a day: the holiday's name, "day off", "weekend"; empty for a working day."""
        if day in self.closed:
            return "day off"
        if self.country and (name := _holidays(self.country, day.year).get(day)):
            return name
        return "" if day.weekday() in self.weekdays else "weekend"

    def open_span(self, day: date) -> tuple[int, int] | None:
        """From when to when a day's work lasts, nanoseconds since 1970 UTC; None on a day off."""
        if self.day_off(day):
            return None
        zone = ZoneInfo(self.time_zone)
        end = day + timedelta(days=1) if self.closes <= self.opens else day
        moments = (datetime.combine(day, self.opens, zone), datetime.combine(end, self.closes, zone))
        start_s, end_s = (moment.astimezone(UTC).timestamp() for moment in moments)
        return int(start_s) * NS, int(end_s) * NS

    def closed_spans(self, first_ns: int, last_ns: int) -> Iterator[tuple[int, int]]:
        """The spans in which nobody works, in order, from first to last; nanoseconds, each without its end."""
        zone = ZoneInfo(self.time_zone)
        day = datetime.fromtimestamp(first_ns // NS, zone).date() - timedelta(days=1)
        last_day = datetime.fromtimestamp(last_ns // NS, zone).date()
        at_ns = first_ns
        while day <= last_day:
            span = self.open_span(day)
            if span is not None and span[1] > at_ns:
                if span[0] > at_ns:
                    yield at_ns, min(span[0], last_ns + 1)
                at_ns = span[1]
            day += timedelta(days=1)
        if at_ns <= last_ns:
            yield at_ns, last_ns + 1

    def holidays(self, first_ns: int, last_ns: int) -> Iterator[tuple[int, int, str]]:
        """Days off that are no weekend, from first to last: begin and end (ns, exclusive), and what day it is."""
        zone = ZoneInfo(self.time_zone)
        day = datetime.fromtimestamp(first_ns // NS, zone).date()
        last_day = datetime.fromtimestamp(last_ns // NS, zone).date()
        while day <= last_day:
            name = self.day_off(day)
            if name and name != "weekend":
                ends = (datetime.combine(one, time(0), zone) for one in (day, day + timedelta(days=1)))
                begin_s, end_s = (int(end.astimezone(UTC).timestamp()) for end in ends)
                yield begin_s * NS, end_s * NS, name
            day += timedelta(days=1)


def is_country(code: str) -> bool:
    """Whether the holidays of a country are known."""
    from holidays import list_supported_countries

    return code in list_supported_countries()


@cache
def _holidays(country: str, year: int) -> dict[date, str]:
    from holidays import country_holidays

    return dict(country_holidays(country, years=year, language="en_US").items())

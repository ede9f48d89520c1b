"""The picture of how analysis time grows: points where the numbers say."""

from xml.etree import ElementTree

from benchmarks.analyze_speed import growth_plot

SVG = "{http://www.w3.org/2000/svg}"


def test_points_lie_on_a_line_where_time_grows_with_events() -> None:
    root = ElementTree.fromstring(growth_plot([(1_000_000, 3.0), (2_000_000, 6.0), (4_000_000, 12.0)]))
    circles = [(float(c.get("cx", 0)), float(c.get("cy", 0))) for c in root.iter(f"{SVG}circle")]
    assert len(circles) == 3
    (x0, y0), (x1, y1), (x2, y2) = circles
    assert (x2 - x1) / (x1 - x0) == (y1 - y2) / (y0 - y1) == 2
    assert [t.text for t in root.iter(f"{SVG}text")][-2:] == ["million events", "seconds of kagami analyze"]

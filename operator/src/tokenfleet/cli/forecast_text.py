"""A forecast for a terminal: the report's words, with its length as people write lengths."""

from tokenfleet.simulation import forecast_report
from tokenfleet.simulation.forecast import Forecast


def text(forecast: Forecast) -> str:
    """Return a forecast for people."""
    heading, _, rest = forecast_report.text(forecast).partition("\n")
    says, _, about = heading.rpartition("; ")
    runs = about.partition(", ")[2]
    return f"{says}; {length(forecast.scenario.seconds)}, {runs}\n{rest}"


def length(seconds: int) -> str:
    """Write a length in hours, minutes and seconds: `2 h`, `1 h 30 min`, `45 s`."""
    parts = ((seconds // 3600, "h"), (seconds // 60 % 60, "min"), (seconds % 60, "s"))
    return " ".join(f"{count} {unit}" for count, unit in parts if count) or "0 s"

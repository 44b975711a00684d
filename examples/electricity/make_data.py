"""Makes the hourly load of twenty zones and the weather forecast that goes with it.

    python examples/electricity/make_data.py

Nothing here was measured. The load of an hour follows the clock on the wall, the day of the week, holidays and the
weather, and carries noise that lasts some hours; so a model that knows the clock, yesterday and tomorrow's weather can
be better than "as yesterday", and how much better is known beforehand. The same seed makes the same files.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

FOLDER = Path(__file__).parent
ZONE, FIRST, LAST = "Europe/Berlin", "2023-01-01", "2024-12-31"
ZONES, SEED = 20, 20241231
HOLIDAYS = ("01-01", "05-01", "10-03", "12-25", "12-26")
Hours = npt.NDArray[np.float64]  # an hour per row, a zone per column


def main() -> None:
    """Write ``load.parquet`` (time, zone, load in MW) and ``weather.parquet`` (time, zone, temperature, wind)."""
    random = np.random.default_rng(SEED)
    # The weather reaches a day further than the load: it is a forecast.
    times = pd.date_range(FIRST, pd.Timestamp(LAST) + pd.Timedelta(days=2), freq="h", tz=ZONE, inclusive="left")
    temperature, wind = _temperature(times, random), _wind(times, random)
    load = _load(times, temperature, wind, random)
    known = times < pd.Timestamp(LAST, tz=ZONE) + pd.Timedelta(days=1)
    _write("load.parquet", times[known], load=load[known].round())
    # What was forecast the day before misses what came by one and a half degrees.
    forecast = temperature + _lasting(times, random, hours=12, deviation=1.5)
    _write("weather.parquet", times, temperature=forecast.round(1), wind=wind.round(1))


def _temperature(times: pd.DatetimeIndex, random: np.random.Generator) -> Hours:
    """Degrees Celsius: a season, a day, weather that lasts three days and is much the same in all zones."""
    season = -11 * np.cos(2 * np.pi * (times.day_of_year - 20) / 365.25)
    day = -4 * np.cos(2 * np.pi * (times.hour - 4) / 24)
    place = random.normal(0, 2, ZONES)
    common = _lasting(times, random, hours=72, deviation=3.0, columns=1)
    return 10 + np.asarray(season + day)[:, None] + place + common + _lasting(times, random, hours=24, deviation=1.0)


def _wind(times: pd.DatetimeIndex, random: np.random.Generator) -> Hours:
    """Metres per second, never below zero."""
    return np.abs(6 + _lasting(times, random, hours=48, deviation=3.0))


def _load(times: pd.DatetimeIndex, temperature: Hours, wind: Hours, random: np.random.Generator) -> Hours:
    """Megawatts: people follow the clock on the wall, so an hour is what it is called and not when it is."""
    size = random.uniform(400, 4000, ZONES)
    morning, evening = (np.exp(-(((times.hour - peak) / width) ** 2) / 2) for peak, width in ((9, 3.0), (19, 2.5)))
    rest = (times.day_of_week >= 5) | times.strftime("%m-%d").isin(HOLIDAYS)
    clock = 0.75 + np.where(rest, 0.12, 0.25) * morning + np.where(rest, 0.15, 0.22) * evening
    industry = random.uniform(0.6, 1.4, ZONES)  # how much a working day differs from others, by zone
    heating, cooling = np.maximum(0, 15 - temperature), np.maximum(0, temperature - 22)
    weather = 0.012 * heating * (1 + 0.02 * wind) + 0.02 * cooling
    working = np.where(rest, -0.06, 0.0)[:, None] * industry
    return size * (np.asarray(clock)[:, None] + weather + working + _lasting(times, random, hours=8, deviation=0.025))


def _lasting(
    times: pd.DatetimeIndex, random: np.random.Generator, hours: float, deviation: float, columns: int = ZONES
) -> Hours:
    """Noise whose correlation with itself halves in ``hours``: an autoregression of order one."""
    keep = 0.5 ** (1 / hours)
    noise = random.normal(0, deviation * (1 - keep**2) ** 0.5, (len(times), columns))
    for row in range(1, len(times)):
        noise[row] += keep * noise[row - 1]
    return noise


def _write(name: str, times: pd.DatetimeIndex, **columns: Hours) -> None:
    zones = [f"Z{number:02}" for number in range(1, ZONES + 1)]
    index = pd.MultiIndex.from_product([times, zones], names=["time", "zone"])
    frame = pd.DataFrame({column: values.ravel().astype(np.float32) for column, values in columns.items()}, index=index)
    frame.reset_index().to_parquet(FOLDER / name, index=False, compression="zstd")


if __name__ == "__main__":
    main()

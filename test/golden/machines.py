"""Writes the golden folder `machines`, and the model test/fixtures/models/machine-failure.onnx.

    python test/golden/machines.py

Sensor readings as an ML engineer has them, with the features that pandas computes from them and the scores of LightGBM itself.
Each row is computed from the readings of its machine that arrived before it, sorted by time: so nothing looks ahead. Needs
pandas 2.3.3, lightgbm 4.6.0 and onnxmltools 1.14.0.
"""
import gzip
import hashlib
import json
import random
from datetime import datetime, timedelta, timezone
from pathlib import Path

import lightgbm
import numpy as np
import onnxmltools
import pandas
from onnxmltools.convert.common.data_types import FloatTensorType

HERE = Path(__file__).parent
FOLDER = HERE / "machines"
MODEL = HERE.parent / "fixtures/models/machine-failure.onnx"
MACHINES, READINGS = 12, 3_000
START = datetime(2026, 3, 1, tzinfo=timezone.utc)
OFFSETS = [timedelta(hours=2), timedelta(hours=-5), timedelta(hours=5, minutes=30), timedelta(0)]
STATUSES = ["idle", "run", "fault"]
FEATURES = [
    "temperature", "previous", "change", "hour", "status", "sinceLast", "faults24h", "vibration6h", "ratedPower", "z", "heating",
]


def readings(rng):
    """In the order of arrival: up to 8 minutes late, and no two of one time."""
    heat = [rng.uniform(50, 70) for _ in range(MACHINES)]
    for n in range(READINGS):
        at = START + timedelta(milliseconds=n * 90_000 - rng.randrange(8 * 60_000) * (rng.random() < 0.2) + rng.randrange(997))
        m = rng.randrange(MACHINES)
        heat[m] += rng.gauss(0, 0.8) + 0.02 * (60 - heat[m])
        zone = OFFSETS[m % len(OFFSETS)]
        digits = rng.choice([0, 3, 6])
        local = (at + zone).replace(tzinfo=timezone(zone))
        text = local.isoformat(timespec=["seconds", "milliseconds", "microseconds"][digits // 3])
        status = rng.choices(STATUSES + ["cleaning"], [3, 12, 1, 1])[0]
        reading = {
            "id": f"r-{n:05}",
            "machine": {"id": f"m-{m:02}", "site": rng.choice(["Kiel", "São Paulo"])},
            "ts": text.replace("+00:00", "Z"),
            "temperature": round(heat[m] + (9 if status == "fault" else 0), 2),
            "status": status,
            "isFault": status == "fault",
        }
        if rng.random() < 0.7:
            reading["vibration"] = round(rng.gammavariate(2, 0.4), 3)
        elif rng.random() < 0.5:
            reading["vibration"] = None
        yield reading


def features_of(past, rated):
    """The features of the last reading in `past`, which has those of its machine up to its time, sorted by time."""
    now = past.iloc[-1]
    by_time = past.set_index("at")
    day = by_time[by_time.index > now["at"] - pandas.Timedelta("24h")]
    before = day.iloc[:-1]["temperature"]
    mean24h, std24h = before.mean(), before.std(ddof=0)
    mean1h = by_time["temperature"].rolling("1h").mean().iloc[-1]
    vibration6h = by_time["vibration"].dropna()
    vibration6h = vibration6h[vibration6h.index > now["at"] - pandas.Timedelta("6h")]
    since = day.index.to_series().diff().iloc[-1]
    return {
        "temperature": now["temperature"],
        "previous": day["temperature"].shift(1).iloc[-1],
        "change": day["temperature"].diff().iloc[-1],
        "hour": now["at"].hour,
        "status": pandas.Categorical([now["status"]], STATUSES).codes[0],
        "sinceLast": 86_400 if pandas.isna(since) else since / pandas.Timedelta("1s"),
        "faults24h": day["isFault"].sum(),
        "vibration6h": vibration6h.mean(),
        "ratedPower": rated.get(now["machine"], np.nan),
        "z": (now["temperature"] - mean24h) / std24h if std24h > 0 else np.nan,
        "heating": mean1h / mean24h,
    }


def main():
    rng = random.Random(36)
    rated = {f"m-{m:02}": 5.5 * (m % 4 + 1) for m in range(MACHINES - 1)}
    lines = list(readings(rng))
    frame = pandas.DataFrame(
        {
            "machine": [r["machine"]["id"] for r in lines],
            # What is finer than milliseconds is cut off.
            "at": pandas.to_datetime([r["ts"] for r in lines], format="ISO8601", utc=True).floor("ms"),
            **{name: [r.get(name) for r in lines] for name in ["temperature", "vibration", "status", "isFault"]},
        }
    )
    frame["vibration"] = frame["vibration"].astype(float)
    rows = []
    for n, now in frame.iterrows():
        past = frame.iloc[: n + 1]
        past = past[(past["machine"] == now["machine"]) & (past["at"] <= now["at"])].sort_values("at", kind="stable")
        rows.append(features_of(past, rated))
    table = pandas.DataFrame(rows)[FEATURES].astype(np.float32)
    risk = table["z"].fillna(0) + table["faults24h"] / 4 + table["vibration6h"].fillna(1) - 3
    label = [int(rng.random() < 1 / (1 + np.exp(-r))) for r in risk]
    model = lightgbm.LGBMClassifier(n_estimators=60, num_leaves=15, min_child_samples=10, random_state=1, verbose=-1)
    model.fit(table.to_numpy(), label)
    onnx = onnxmltools.convert_lightgbm(
        model, initial_types=[("features", FloatTensorType([None, len(FEATURES)]))], zipmap=False, target_opset=15
    )
    MODEL.write_bytes(onnx.SerializeToString())
    print("sha256", hashlib.sha256(MODEL.read_bytes()).hexdigest())
    scores = model.predict_proba(table.to_numpy())[:, 1]
    FOLDER.mkdir(exist_ok=True)
    text = "".join(f"{r['machine']['id']}\t{json.dumps(r, ensure_ascii=False, separators=(',', ':'))}\n" for r in lines)
    (FOLDER / "input.tsv.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
    answers = []
    for n, (row, score) in enumerate(zip(table.to_numpy().tolist(), scores)):
        numbers = [None if np.isnan(x) else x for x in row]
        answers.append(json.dumps({"line": n, "outcome": "scored", "features": numbers, "probability": round(float(score), 9)}))
    (FOLDER / "expected.ndjson.gz").write_bytes(gzip.compress(("\n".join(answers) + "\n").encode(), mtime=0))
    machines = "".join(json.dumps({"id": id, "ratedPower": power}) + "\n" for id, power in rated.items())
    (FOLDER / "machines.ndjson").write_text(machines)
    manifest = {
        "topology": "../topologies/machines.ts", "input": "input.tsv.gz", "expected": "expected.ndjson.gz", "format": "tsv",
        "key": None, "partitions": 3, "maxAhead": None, "id": "id", "features": FEATURES, "tolerance": 1e-6,
    }
    (FOLDER / "golden.json").write_text(json.dumps(manifest, indent=2) + "\n")


main()

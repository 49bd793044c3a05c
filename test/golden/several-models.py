"""Writes the answers of the golden folders whose score step has several models.

    python test/golden/several-models.py

The rules, shares, fallbacks and shadows are applied here once more, on the features that are the answers of card-5k and card-28h;
each model is run by onnxruntime for Python. Needs numpy and onnxruntime.
"""
import gzip
import json
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import onnxruntime

HERE = Path(__file__).parent
MODELS = HERE.parent / "fixtures/models"
PARTS = 10_000
onnxruntime.set_default_logger_severity(4)


class Payment:
    def __init__(self, key, event, names, features):
        self.key, self.event = key, event
        self.row = np.array(features, np.float32)
        self.features = dict(zip(names, self.row.tolist()))

    def at(self, zone):
        return datetime.fromtimestamp(self.event["paidAt"] / 1_000, ZoneInfo(zone))


class Onnx:
    """A model that is a file."""

    def __init__(self, name, width=13):
        self.label, self.width = f"{name}@1", width
        self.session = onnxruntime.InferenceSession(MODELS / f"{name}.onnx")

    def score(self, payment):
        """None: there is none, for the run fails."""
        try:
            return self.session.run(["probability"], {"features": payment.row[None, : self.width]})[0].item()
        except Exception:
            return None


class Rule:
    """A model that is a function of the features."""

    def __init__(self, label, score):
        self.label, self.of = label, score

    def score(self, payment):
        return self.of(payment.features)


class Route:
    """`to` scores the payments for which `when` holds, of a share of the keys."""

    def __init__(self, name, to, when=lambda payment: True, share=1):
        self.name, self.to, self.when, self.share = name, to, when, share

    def takes(self, payment):
        return self.when(payment) and is_in(self.name, payment.key, self.share)


def is_in(name, key, share):
    return (murmur2(f"{name}/{key}".encode()) & 0x7FFFFFFF) % PARTS < round(share * PARTS)


def murmur2(data):
    """As in Kafka's Java clients."""
    m, mask = 0x5BD1E995, 0xFFFFFFFF
    h = 0x9747B28C ^ len(data)
    whole = len(data) // 4 * 4
    for i in range(0, whole, 4):
        k = int.from_bytes(data[i : i + 4], "little") * m & mask
        h = (h * m & mask) ^ ((k ^ k >> 24) * m & mask)
    if whole < len(data):
        h = (h ^ int.from_bytes(data[whole:], "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return h ^ h >> 15


def answer(payment, routes, fallback=None):
    """What becomes of a payment: the first route that takes it decides, and the fallback scores what its model cannot."""
    route = next(route for route in routes if route.takes(payment))
    score = route.to.score(payment)
    if is_score(score):
        return {"outcome": "scored", "model": route.to.label, "route": route.name, "probability": score}
    reason = "score-failed" if score is None else "score-not-finite"
    second = fallback and fallback.score(payment)
    if not is_score(second):
        return {"outcome": "malformed"}
    return {"outcome": "scored", "model": fallback.label, "route": f"fallback:{reason}", "probability": second}


def is_score(score):
    return score is not None and np.isfinite(score)


def write(name, inputs, answer_to):
    """`inputs`: the folder of the payments and their features."""
    source, folder = HERE / inputs, HERE / name
    names = json.loads((source / "golden.json").read_text())["features"]
    lines = (source / "input.tsv").read_text().removesuffix("\n").split("\n")
    with gzip.open(source / "expected.ndjson.gz", "rt") as file:
        known = [json.loads(line) for line in file]
    answers = []
    for line, was in zip(lines, known, strict=True):
        place = {"line": was["line"], "partition": was["partition"]}
        if was["outcome"] != "scored":
            answers.append({**place, "outcome": was["outcome"]})
            continue
        key, value = line.split("\t")
        answers.append({**place, **answer_to(Payment(key, json.loads(value), names, was["features"]))})
    text = "".join(json.dumps(rounded(one), separators=(",", ":")) + "\n" for one in answers)
    # Without the time of writing, so that the same answers are the same file.
    (folder / "expected.ndjson.gz").write_bytes(gzip.compress(text.encode(), mtime=0))


def rounded(answer):
    return {name: float(f"{value:.9g}") if isinstance(value, float) else value for name, value in answer.items()}


def main():
    gbdt, gbdt2, mlp, small = Onnx("card-gbdt"), Onnx("card-gbdt-v2"), Onnx("card-mlp"), Onnx("card-12-inputs", 12)
    large = Rule("rules@1", lambda f: 0.9 if f["amount"] > 100 else 0.1)
    routes = [
        Route("premium", mlp, lambda p: p.event["country"] == "CH" and p.event["category"] == "travel"),
        Route("rich", mlp, lambda p: p.features["sum24h"] >= 5_000),
        Route("night", large, lambda p: p.at("America/New_York").hour < 3),
        Route("thursday", small, lambda p: p.at("UTC").isoweekday() == 4 and p.event["category"] in ("books", "music")),
        Route("main", gbdt),
    ]
    write("card-routes", "card-28h", lambda p: answer(p, routes))

    shares = [
        Route("abroad", mlp, lambda p: p.event["country"] != "DE", 0.05),
        Route("canary", gbdt2, share=0.1),
        Route("main", gbdt),
    ]
    write("card-shares", "card-5k", lambda p: answer(p, shares))

    cents, nan = Onnx("card-cents"), Onnx("card-nan")
    odd = [Route("odd", nan, lambda p: p.event["country"] == "US"), Route("main", cents)]
    # Not finite for the first payment of a card.
    fallback = Rule("rules@1", lambda f: f["amount"] / 1_000 if f["secondsSincePrevious"] > 0 else float("nan"))
    write("card-fallback", "card-28h", lambda p: answer(p, odd, fallback))

    only = [Route("main", gbdt)]
    write("card-shadow", "card-5k", lambda p: {**answer(p, only), "shadow": gbdt2.score(p)})

    # The most accurate of the three, since each is fast enough.
    write("card-variants", "card-5k", lambda p: answer(p, [Route("card-mlp", mlp)]))


main()

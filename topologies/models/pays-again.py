"""Makes pays-again.onnx and its golden rows: will a card that paid in this minute pay again within the ten that follow?

The features of the training rows are computed by Tidemark itself: they are what the topology wrote beside its answers, so
training and serving cannot disagree. There is no first model to write the first rows with, so without an argument this
makes one that answers 0.5 to everything; its rows are as good as any.

    pip install lightgbm==4.7.0 onnxmltools==1.16.0 onnx==1.23.2 onnxruntime==1.30.0 scikit-learn==1.9.1 numpy==2.4.6
    npx tsx test/bench/payments.ts 360000 1 | npx tidemark dev topologies/card-activity.ts > rows.ndjson
    python topologies/models/pays-again.py rows.ndjson
    cd topologies
    npx tidemark model types models/pays-again.onnx --golden models/pays-again.golden.json --out models/pays-again.model.ts

The last command comes after each model, the first one too. Ten hours of invented payments: the first hour is left out, since
its windows are not full, and the last, since its end is followed by nothing. Trained on the 212,582 minutes of cards before
the eighth hour, tested on the 71,381 of the two that follow, 13 % of which see another payment: AUC 0.752, log loss 0.305.
Who knew how often each card really pays would reach AUC 0.822. The same rows give the same file on the same machine.
"""
import hashlib
import json
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import onnxruntime
from onnx import TensorProto as T, checker, helper as h, load, numpy_helper, save

MODEL = Path(__file__).with_suffix(".onnx")
GOLDEN = Path(__file__).with_suffix(".golden.json")
MINUTE = 60_000
HOUR = 60 * MINUTE
WITHIN = 10 * MINUTE
SPLIT = 7 * HOUR
END = 9 * HOUR
FEATURES = [
    "payments",
    "spent",
    "largest",
    "merchants",
    "secondsSinceActive",
    "minutesActive10m",
    "payments10m",
    "minutesActive1h",
    "payments1h",
    "spent1h",
    "busiestMinute1h",
]
TREES = dict(n_estimators=60, num_leaves=12, learning_rate=0.08, min_child_samples=200)
REPEATABLE = dict(random_state=1, deterministic=True, force_row_wise=True, num_threads=1, verbose=-1)
PROBABILITY = h.make_tensor_value_info("probability", T.FLOAT, ["N", 1])


def main():
    if len(sys.argv) == 1:
        keep(half_for_all(), np.zeros((1, len(FEATURES)), np.float32))
        return
    starts, x, y = read_rows(sys.argv[1])
    late = starts >= SPLIT
    x_test, y_test = x[late], y[late]
    keep(trained(x[~late], y[~late]), np.random.default_rng(1).permutation(x_test)[:200])
    from sklearn.metrics import log_loss, roc_auc_score

    p = scores(x_test)[:, 0]
    print(f"{len(x) - len(x_test)} minutes to train on, {len(x_test)} to test on: {y_test.mean():.3f} pay again")
    print(f"AUC {roc_auc_score(y_test, p):.3f}, log loss {log_loss(y_test, p):.3f}, mean score {p.mean():.3f}")


def read_rows(file):
    """Start of each minute after the first one, its features, and whether the card was active again."""
    rows = [json.loads(line) for line in open(file)]
    # The order of partitions among each other is chance.
    rows.sort(key=lambda row: (row["minuteStart"], row["cardId"]))
    starts = np.array([row["minuteStart"] for row in rows])
    starts -= starts.min()
    active = defaultdict(set)
    for row, start in zip(rows, starts):
        active[row["cardId"]].add(start)
    again = [
        any(start + ahead in active[row["cardId"]] for ahead in range(MINUTE, WITHIN + MINUTE, MINUTE))
        for row, start in zip(rows, starts)
    ]
    x = np.array([[row["features"][name] for name in FEATURES] for row in rows], np.float32)
    known = (starts >= HOUR) & (starts < END)
    return starts[known], x[known], np.array(again, int)[known]


def trained(x, y):
    from lightgbm import LGBMClassifier
    from onnxmltools import convert_lightgbm
    from onnxmltools.convert.common.data_types import FloatTensorType

    trees = LGBMClassifier(**TREES, **REPEATABLE).fit(x, y)
    inputs = [("features", FloatTensorType(["N", len(FEATURES)]))]
    model = convert_lightgbm(trees, "pays-again", inputs, target_opset=15, zipmap=False)
    # The converter gives a label and the probabilities of both classes: only that of class 1 is kept.
    graph = model.graph
    graph.initializer.append(numpy_helper.from_array(np.array([1], np.int64), "class1"))
    graph.node.append(h.make_node("Gather", ["probabilities", "class1"], ["probability"], axis=1))
    del graph.output[:]
    graph.output.append(PROBABILITY)
    # The converter lists the operator sets in an order of chance: sorted, the same rows give the same file.
    opsets = sorted(model.opset_import, key=lambda opset: opset.domain)
    del model.opset_import[:]
    model.opset_import.extend(opsets)
    return model


def half_for_all():
    features = h.make_tensor_value_info("features", T.FLOAT, ["N", len(FEATURES)])
    zeros = numpy_helper.from_array(np.zeros((len(FEATURES), 1), np.float32), "zeros")
    nodes = [
        h.make_node("MatMul", ["features", "zeros"], ["zero"]),
        h.make_node("Sigmoid", ["zero"], ["probability"]),
    ]
    graph = h.make_graph(nodes, "half", [features], [PROBABILITY], [zeros])
    return h.make_model(graph, opset_imports=[h.make_opsetid("", 15)], ir_version=8)


def keep(model, rows):
    checker.check_model(model)
    save(model, MODEL)
    golden = {
        "model": MODEL.name,
        "sha256": hashlib.sha256(MODEL.read_bytes()).hexdigest(),
        "input": "features",
        "output": "probability",
        "features": FEATURES,
        "runtime": f"onnxruntime (Python) {onnxruntime.__version__}, CPU",
    }
    lines = [f" {json.dumps(name)}: {json.dumps(value)}" for name, value in golden.items()]
    for name, table in [("inputs", rows), ("outputs", scores(rows))]:
        listed = ",\n".join("  [" + ",".join(map(shortest, row)) + "]" for row in table)
        lines.append(f' "{name}": [\n{listed}\n ]')
    GOLDEN.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def scores(rows):
    return onnxruntime.InferenceSession(MODEL).run(["probability"], {"features": rows})[0]


def shortest(number):
    """The shortest decimal that rounds to this float32."""
    return np.format_float_positional(number, unique=True, trim="-")


main()

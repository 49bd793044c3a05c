"""Trains card-gbdt.onnx and writes its golden rows: is a payment suspicious?

The features of the training rows are computed by Tidemark itself, from the topology, so training and serving cannot disagree.
The labels are in labels.ndjson: a payment's id, 1 or 0, and when that became known. Only what is known within 24 hours counts.
The labels in this folder are invented, as are its payments: replace them with your own.

    python3 -m venv .venv && . .venv/bin/activate
    pip install -r models/requirements.txt
    npm run train

This writes the folder rows again, runs this script on it, updates the model's definition, and checks that the topology takes
the model. The earlier four fifths of the payments are for training, the rest for testing. The same rows produce the same
file on the same machine.
"""
import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from onnx import TensorProto as T, checker, helper as h, numpy_helper, save

MODEL = Path(__file__).with_name("card-gbdt.onnx")
GOLDEN = MODEL.with_suffix(".golden.json")
TREES = dict(n_estimators=40, num_leaves=6, learning_rate=0.08, min_child_samples=20)
REPEATABLE = dict(random_state=1, deterministic=True, force_row_wise=True, num_threads=1, verbose=-1)
PROBABILITY = h.make_tensor_value_info("probability", T.FLOAT, ["N", 1])


def main():
    features, x, y = read_rows(Path(sys.argv[1]))
    split = len(x) * 4 // 5
    x_test, y_test = x[split:], y[split:]
    keep(trained(x[:split], y[:split]), features, np.random.default_rng(1).permutation(x_test)[:200])
    from sklearn.metrics import log_loss, roc_auc_score

    p = scores(x_test)[:, 0]
    print(f"{split} payments to train on, {len(x_test)} to test on: {y_test.mean():.3f} suspicious")
    print(f"AUC {roc_auc_score(y_test, p):.3f}, log loss {log_loss(y_test, p):.3f}, mean score {p.mean():.3f}")


def read_rows(folder):
    """The names of the features, and features and label of each payment with a label, by event time."""
    features = json.loads((folder / "_manifest.json").read_text())["features"]["rows"]
    if parts := sorted(folder.glob("rows/*.ndjson")):
        rows = [json.loads(line) for part in parts for line in open(part)]
    else:
        from pyarrow.parquet import read_table

        rows = read_table(folder / "rows").to_pylist()
    rows = [row for row in rows if row["labelState"] == "labelled"]
    # The order between partitions is arbitrary.
    rows.sort(key=lambda row: (row["eventTime"], row["paymentId"]))
    # null becomes NaN.
    x = np.array([[row[name] for name in features] for row in rows], np.float32)
    return features, x, np.array([int(row["label"]) for row in rows])


def trained(x, y):
    from lightgbm import LGBMClassifier
    from onnxmltools import convert_lightgbm
    from onnxmltools.convert.common.data_types import FloatTensorType

    trees = LGBMClassifier(**TREES, **REPEATABLE).fit(x, y)
    inputs = [("features", FloatTensorType(["N", x.shape[1]]))]
    model = convert_lightgbm(trees, MODEL.stem, inputs, target_opset=15, zipmap=False)
    # The converter outputs a label and the probabilities of both classes: only that of class 1 is kept.
    graph = model.graph
    graph.initializer.append(numpy_helper.from_array(np.array([1], np.int64), "class1"))
    graph.node.append(h.make_node("Gather", ["probabilities", "class1"], ["probability"], axis=1))
    del graph.output[:]
    graph.output.append(PROBABILITY)
    # The converter lists the operator sets in random order: sorted, the same rows produce the same file.
    opsets = sorted(model.opset_import, key=lambda opset: opset.domain)
    del model.opset_import[:]
    model.opset_import.extend(opsets)
    return model


def keep(model, features, rows):
    checker.check_model(model)
    save(model, MODEL)
    golden = {
        "model": MODEL.name,
        "sha256": hashlib.sha256(MODEL.read_bytes()).hexdigest(),
        "input": "features",
        "output": "probability",
        "features": features,
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
    """The shortest decimal that rounds to this float32; null for NaN, as Tidemark reads it."""
    return "null" if np.isnan(number) else np.format_float_positional(number, unique=True, trim="-")


main()

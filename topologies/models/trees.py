"""Shared by the scripts in this folder: boosted trees as an ONNX model, the file of a model, and its golden rows."""
import hashlib
import json
from pathlib import Path

import numpy as np
import onnxruntime
from onnx import TensorProto as T, checker, helper as h, numpy_helper, save

REPEATABLE = dict(random_state=1, deterministic=True, force_row_wise=True, num_threads=1, verbose=-1)
PROBABILITY = h.make_tensor_value_info("probability", T.FLOAT, ["N", 1])


def read_rows(folder):
    """The rows in the output of tidemark batch --rows. They are not sorted: the order between partitions is arbitrary."""
    return [json.loads(line) for part in sorted(Path(folder).glob("rows/*.ndjson")) for line in open(part)]


def columns(rows, features):
    return np.array([[row[name] for name in features] for row in rows], np.float32)


def train(model, features, trees, train, test):
    """Trains trees on one pair of rows and labels, saves them with golden rows of the other, and prints how they score there."""
    keep_tested(model, trained(model.stem, trees, *train), features, test)


def keep_tested(file, model, features, test):
    """Saves a model with golden rows of a pair of rows and labels, and prints how it scores there."""
    x, y = test
    keep(file, model, features, np.random.default_rng(1).permutation(x)[:200])
    from sklearn.metrics import log_loss, roc_auc_score

    p = scores(file, x)[:, 0]
    print(f"{len(x)} rows to test on: {y.mean():.3f} are positive")
    print(f"AUC {roc_auc_score(y, p):.3f}, log loss {log_loss(y, p):.3f}, mean score {p.mean():.3f}")


def trained(name, trees, x, y):
    from lightgbm import LGBMClassifier
    from onnxmltools import convert_lightgbm
    from onnxmltools.convert.common.data_types import FloatTensorType

    fitted = LGBMClassifier(**trees, **REPEATABLE).fit(x, y)
    inputs = [("features", FloatTensorType(["N", x.shape[1]]))]
    model = convert_lightgbm(fitted, name, inputs, target_opset=15, zipmap=False)
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


def keep(file, model, features, rows):
    checker.check_model(model)
    save(model, file)
    golden = {
        "model": file.name,
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        "input": "features",
        "output": "probability",
        "features": features,
        "runtime": f"onnxruntime (Python) {onnxruntime.__version__}, CPU",
    }
    lines = [f" {json.dumps(name)}: {json.dumps(value)}" for name, value in golden.items()]
    for name, table in [("inputs", rows), ("outputs", scores(file, rows))]:
        listed = ",\n".join("  [" + ",".join(map(shortest, row)) + "]" for row in table)
        lines.append(f' "{name}": [\n{listed}\n ]')
    file.with_suffix(".golden.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


def scores(file: Path, rows):
    return onnxruntime.InferenceSession(file).run(["probability"], {"features": rows})[0]


def shortest(number):
    """The shortest decimal that rounds to this float32."""
    return np.format_float_positional(number, unique=True, trim="-")

"""Trains the 16 models of this folder on made-up payments, exports each as the tutorials of its
library do, with their defaults, and writes rows with the answers of the library itself:

  python3 -m venv V && V/bin/pip install -r test/exports/requirements.txt && V/bin/python test/exports/make.py

--rows says how many rows each model gets, --out names another folder. The models do not depend on
--rows: with the same versions on the same kind of machine they have the same bytes each time.
The command line scores more rows than `npm test` does:

  V/bin/python test/exports/make.py --rows 20000 --out F
  TIDEMARK_TEST_EXPORTS=F npx vitest run --config .config/vitest.ts --mode long --project long test/long/exports.test.ts
"""

import os

# The last bits of a sum depend on how many threads share it. The libraries read this when imported.
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

import numpy as np
import onnx
import onnxmltools
import onnxruntime
import pandas as pd
from lightgbm import LGBMClassifier
from onnxmltools.convert.common.data_types import FloatTensorType as Floats
from onnxmltools.convert.lightgbm.operator_converters.LightGbm import convert_lightgbm
from skl2onnx import convert_sklearn, to_onnx, update_registered_converter
from skl2onnx.common.data_types import FloatTensorType
from skl2onnx.common.shape_calculator import calculate_linear_classifier_output_shapes as shapes
from sklearn import ensemble
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression, RANSACRegressor
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from xgboost import XGBClassifier

FLOATS = ["amount", "mean_24h", "balance_change", "drift"]
INTS = ["count_1h", "hour"]
ALL = ["amount", "count_1h", "mean_24h", "is_foreign", "hour", "balance_change", "drift"]
KINDS = {name: "float" if name in FLOATS else "int" if name in INTS else "bool" for name in ALL}
AWKWARD = {"float": [0, -1, 1e-30, -1e-40, 0.1, 65_537.5, 1e6, -1e6], "int": [0, -1, 1_000_000], "bool": [0, 1]}


def payments(random, count):
    """Made-up payments: a row of float32 values each."""
    return np.column_stack([
        np.round(np.exp(random.normal(3.5, 1.2, count)), 2),
        random.poisson(3, count),
        np.exp(random.normal(3.5, 0.5, count)),
        random.random(count) < 0.2,
        random.integers(0, 24, count),
        random.normal(0, 50, count),
        random.normal(0, 1e-3, count),
    ]).astype(np.float32)


def risks(rows, random):
    amount, count, mean, foreign, hour, change, drift = rows.astype(np.float64).T
    surprise = np.log(amount / mean) + 0.3 * count + foreign * (hour < 6) * 3
    return surprise - 0.01 * change + 300 * drift + random.normal(0, 0.3, len(rows))


def classes(*names):
    """From risks to as many classes of the same size."""
    shares = np.arange(1, len(names)) / len(names)
    return lambda risk: np.array(names)[np.digitize(risk, np.quantile(risk, shares))]


def losses_and_days(risk):
    return np.column_stack([10 * risk + 3, 30 - 2 * risk])


def by_sample(model, table, name):
    return to_onnx(model, table[:1])


def by_types(convert, name_of_input, floats):
    return lambda model, table, name: convert(model, name, initial_types=[(name_of_input, floats([None, table.shape[1]]))])


def by_registered(model, table, name):
    options = {"nocl": [True, False], "zipmap": [True, False, "columns"]}
    update_registered_converter(LGBMClassifier, "LightGbmLGBMClassifier", shapes, convert_lightgbm, options=options)
    return to_onnx(model, table[:1], target_opset={"": 12, "ai.onnx.ml": 2})


@dataclass
class Export:
    model: Any
    target: Callable
    floats: type
    convert: Callable = by_sample
    frame: list[str] | None = None
    """The columns of its DataFrame. None: it takes an array."""
    has_missing: bool = False
    tolerance: float = 1e-6
    reason: str | None = None
    """Why ONNX Runtime differs by more than the tolerance."""

    def table(self, rows):
        if not self.frame:
            return rows.astype(self.floats)
        types = {"float": self.floats, "int": np.int64, "bool": bool}
        return pd.DataFrame({name: column.astype(types[KINDS[name]]) for name, column in zip(self.frame, rows.T)})


def scaled(others, model):
    return make_pipeline(ColumnTransformer([("scale", StandardScaler(), FLOATS), ("keep", "passthrough", others)]), model)


by_skl2onnx = by_types(convert_sklearn, "float_input", FloatTensorType)
by_lightgbm = by_types(onnxmltools.convert_lightgbm, "input", Floats)
by_xgboost = by_types(onnxmltools.convert_xgboost, "input", Floats)
binary, three, texts = classes(0, 1), classes(0, 1, 2), classes("ok", "declined", "fraud")
few = {"n_estimators": 8, "random_state": 1}
forest = {**few, "max_depth": 4, "n_jobs": 1}
boosted = {**few, "max_depth": 3}
leaves = {**few, "num_leaves": 8, "n_jobs": 1, "deterministic": True, "force_row_wise": True, "verbose": -1}
hist = {"max_iter": 8, "max_leaf_nodes": 8, "random_state": 1}
f32, f64 = np.float32, np.float64

UNROUNDED = "scikit-learn rounds scaled values to float32 before the forest compares them, the file does not."
INVERSE = "scikit-learn divides by the scale, the file multiplies by its inverse, so scaled values differ in their last bit."
ROUNDED = "The file has LightGBM's float64 thresholds as float32, and only LightGBM takes values up to 1e-35 for 0."
LIGHTGBM = {"has_missing": True, "reason": ROUNDED}

EXPORTS = {
    "forest-float32": Export(ensemble.RandomForestClassifier(**forest), binary, f32, by_skl2onnx),
    "boosting-float64": Export(ensemble.GradientBoostingClassifier(**boosted), three, f64),
    "hist-text-classes": Export(ensemble.HistGradientBoostingClassifier(**hist), texts, f32, has_missing=True),
    "forest-float64": Export(ensemble.RandomForestClassifier(**forest), binary, f64),
    "logistic-float64": Export(LogisticRegression(max_iter=5_000), binary, f64, tolerance=1e-5),
    "pipeline-float64": Export(make_pipeline(StandardScaler(), LogisticRegression()), three, f64, tolerance=1e-5),
    "frame-mixed": Export(
        scaled([*INTS, "is_foreign"], ensemble.RandomForestClassifier(**forest)),
        *(binary, f64, by_sample, ALL),
        reason=UNROUNDED,
    ),
    "frame-text-classes": Export(
        make_pipeline(StandardScaler(), ensemble.GradientBoostingClassifier(**boosted)),
        *(texts, f32, by_sample, FLOATS),
        reason=INVERSE,
    ),
    "forest-two-outputs": Export(ensemble.RandomForestRegressor(**forest), losses_and_days, f32),
    "linear-two-outputs": Export(RANSACRegressor(random_state=1), losses_and_days, f32, tolerance=1e-5),
    "boosting-regressor": Export(ensemble.GradientBoostingRegressor(**boosted), lambda risk: 10 * risk + 3, f32),
    "lightgbm-binary": Export(LGBMClassifier(**leaves), binary, f32, by_lightgbm, **LIGHTGBM),
    "lightgbm-text-classes": Export(LGBMClassifier(**leaves), texts, f32, by_lightgbm, **LIGHTGBM),
    "lightgbm-frame": Export(
        scaled(INTS, LGBMClassifier(**leaves)), binary, f64, by_registered, [*FLOATS, *INTS], reason=ROUNDED
    ),
    "xgboost-binary": Export(XGBClassifier(**boosted, n_jobs=1), binary, f32, by_xgboost, has_missing=True),
    "mlp-external": Export(MLPClassifier((32, 32), random_state=1, max_iter=300), binary, f32, tolerance=1e-5),
}


def columns_of(rows, features):
    return rows[:, [ALL.index(name) for name in features]]


def answers(model, table):
    answer = model.predict_proba(table) if hasattr(model, "predict_proba") else model.predict(table)
    return np.asarray(answer, np.float64).reshape(len(table), -1)


def some_missing(rows, random):
    return np.where(random.random(rows.shape) < 0.1, np.float32(np.nan), rows)


def with_awkward(rows, features, random):
    """About every second value is an awkward one of its kind."""
    values = np.column_stack([random.choice(AWKWARD[KINDS[name]], len(rows)) for name in features])
    return np.where(random.random(rows.shape) < 0.5, values.astype(np.float32), rows)


def in_order(bits):
    """From the bits of float32 values to integers in the order of the values, or back."""
    return np.where(bits < 0, -(2**31) - bits, bits)


def at_splits(rows, others, places, answer):
    """Pairs of rows with neighbouring float32 values of one feature, and different answers."""

    def moved(numbers):
        copies = rows.copy()
        copies[places] = in_order(numbers).astype(np.int32).view(np.float32)
        return copies

    near, far = (in_order(table[places].view(np.int32).astype(np.int64)) for table in (rows, others))
    first = answer(rows)
    for _ in range(33):
        middle = (near + far) // 2
        same = np.all(answer(moved(middle)) == first, axis=1)
        near, far = np.where(same, middle, near), np.where(same, far, middle)
    differ = np.any(answer(moved(far)) != first, axis=1)
    return np.stack([moved(near), moved(far)], axis=1)[differ].reshape(-1, rows.shape[1])


def rows_for(export, features, fitted, count, random):
    """A quarter beside splits, a quarter of awkward values, and half as in training."""
    here, there, others = (columns_of(payments(random, count), features) for _ in range(3))
    free = [place for place, name in enumerate(features) if name in FLOATS or not export.frame]
    places = np.arange(count), random.choice(free, count)
    quarter = count // 4
    splits = at_splits(here, there, places, lambda rows: answers(fitted, export.table(rows)))[:quarter]
    others[:quarter] = with_awkward(others[:quarter], features, random)
    others = others[: count - len(splits)]
    return np.concatenate([splits, some_missing(others, random) if export.has_missing else others])


def zip_map(model):
    return next((node for node in model.graph.node if node.op_type == "ZipMap"), None)


def inputs_of(model, features):
    for one in model.graph.input:
        kind = onnx.helper.tensor_dtype_to_np_dtype(one.type.tensor_type.elem_type).name
        yield {"name": one.name, "type": kind, "features": [one.name] if one.name in features else features}


def second_opinion(model, rows, features, scores):
    """ONNX Runtime's numbers, without the ZipMap: the runtime loads none of float64 probabilities."""
    if node := zip_map(model):
        model.graph.node.remove(node)
        model.graph.output[-1].CopyFrom(onnx.helper.make_empty_tensor_value_info(scores))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    feeds = {
        one["name"]: rows[:, [features.index(name) for name in one["features"]]].astype(one["type"])
        for one in inputs_of(model, features)
    }
    return onnxruntime.InferenceSession(model.SerializeToString(), options).run([scores], feeds)[0].astype(np.float64)


def save(model, path):
    # The converters list the operator sets in random order: sorted, the same model is the same file.
    model.opset_import.sort(key=lambda opset: (opset.domain, opset.version))
    if path.stem != "mlp-external":
        return onnx.save_model(model, path)
    # onnx moves only raw bytes to another file, and skl2onnx writes lists of numbers.
    for tensor in model.graph.initializer:
        tensor.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(tensor), tensor.name))
    data = path.with_suffix(".data")
    data.unlink(missing_ok=True)
    one_file = {"all_tensors_to_one_file": True, "location": data.name, "size_threshold": 1024}
    return onnx.save_model(model, path, save_as_external_data=True, **one_file)


def shortest(value):
    """The number whose JSON is the shortest text that rounds to this float32."""
    number = float(str(value))
    return None if np.isnan(number) else int(number) if number.is_integer() else number


def make(name, export, count, folder):
    random = np.random.default_rng(1)
    features, training = export.frame or ALL, payments(random, 2_000)
    target = export.target(risks(training, random))
    table = export.table(columns_of(some_missing(training, random) if export.has_missing else training, features))
    fitted = export.model.fit(table, target)
    path = folder / f"{name}.onnx"
    save(export.convert(fitted, table, name), path)

    model = onnx.load(path)
    *labels, output = [one.name for one in model.graph.output]
    scores = zip_map(model).input[0] if zip_map(model) else output
    inputs = list(inputs_of(model, features))
    rows = rows_for(export, features, fitted, count, np.random.default_rng(2))
    expected = answers(fitted, export.table(rows))
    opinion = second_opinion(model, rows, features, scores).reshape(expected.shape)
    differences = np.max(np.abs(opinion - expected) / np.maximum(1, np.abs(expected)), axis=1)
    differs = int(np.sum(differences > export.tolerance))
    sheet = {
        "features": features,
        "inputs": inputs,
        "classes": fitted.classes_.tolist() if labels else None,
        "labelTensor": labels[0] if labels else None,
        "scoreTensor": scores,
        "scoreOutput": output,
        "rows": [[shortest(value) for value in row] for row in rows],
        "expected": expected.tolist(),
        "expectedLabels": fitted.predict(export.table(rows)).tolist() if labels else None,
        "onnxruntimeDifference": float(differences.max()),
        "differs": differs,
        "note": export.reason if differs else None,
    }
    path.with_suffix(".rows.json").write_text(json.dumps(sheet, separators=(",", ":"), allow_nan=False) + "\n")
    print(f"{name}: {path.stat().st_size} bytes, ONNX Runtime differs by {differences.max():.1e}, in {differs} rows")


arguments = argparse.ArgumentParser()
arguments.add_argument("--rows", type=int, default=200)
arguments.add_argument("--out", type=Path, default=Path(__file__).parent)
asked = arguments.parse_args()
asked.out.mkdir(parents=True, exist_ok=True)
for name, export in EXPORTS.items():
    make(name, export, asked.rows, asked.out)

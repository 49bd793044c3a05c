"""Trains the models in test/trees/models/: ensembles of trees by every library that teams use, as its own exporter writes them.

    pip install onnx==1.19.1 onnxruntime==1.30.0 lightgbm==4.7.0 xgboost==3.2.0 scikit-learn==1.9.1 catboost==1.2.10 skl2onnx==1.20.0 onnxmltools==1.16.0
    python test/trees/train.py
"""

import pathlib

import catboost
import lightgbm as lgb
import numpy as np
import onnx
import onnxmltools
import xgboost as xgb
from onnx import TensorProto, helper
from onnxmltools.convert.common.data_types import FloatTensorType as Floats
from skl2onnx import to_onnx
from sklearn import ensemble as forests
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

INTO = pathlib.Path(__file__).parent / "models"
ROWS, FEATURES = 4_000, 8
random = np.random.default_rng(7)


def rows(missing):
    x = np.column_stack([
        np.exp(random.normal(2.5, 1.2, ROWS)),
        random.integers(0, 20, ROWS),
        random.normal(0, 1, ROWS),
        random.normal(0, 1e-3, ROWS),
        random.integers(0, 2, ROWS),
        random.exponential(4_000, ROWS),
        random.uniform(-1, 1, ROWS),
        random.integers(-3, 4, ROWS),
    ]).astype(np.float32)
    if missing:
        x[random.random(x.shape) < 0.1] = np.nan
    return x


X, XM = rows(False), rows(True)
filled = np.nan_to_num(X)
signal = np.log(filled[:, 0]) + 0.1 * filled[:, 1] * filled[:, 2] + filled[:, 7] * filled[:, 4] + random.normal(0, 0.3, ROWS)
binary = (signal > np.median(signal)).astype(int)
multi = np.digitize(signal, np.quantile(signal, [0.3, 0.6]))
rank = np.clip(np.digitize(signal, np.quantile(signal, [0.25, 0.5, 0.75])), 0, 3)
GROUPS = [20] * (ROWS // 20)
SHAPE = [("features", Floats([None, FEATURES]))]
PLAIN = {"n_estimators": 20, "random_state": 7}


make_attribute = helper.make_attribute


def with_whole_numbers(key, value, *rest, **options):
    """skl2onnx 1.20.0 gives some numbers of HistGradientBoosting as booleans, which onnx refuses."""
    if isinstance(value, (list, np.ndarray)) and any(isinstance(v, (bool, np.bool_)) for v in value):
        value = [int(v) for v in value]
    return make_attribute(key, value, *rest, **options)


helper.make_attribute = with_whole_numbers


def save(name, model):
    model.doc_string = ""
    onnx.save(model, INTO / f"{name}.onnx")
    print(name, (INTO / f"{name}.onnx").stat().st_size)


def lightgbm_of(name, model, x, y, **fit):
    save(name, onnxmltools.convert_lightgbm(model.fit(x, y, **fit), initial_types=SHAPE, zipmap=False))


def xgboost_of(name, model, x, y, **fit):
    save(name, onnxmltools.convert_xgboost(model.fit(x, y, **fit), initial_types=SHAPE))


def sklearn_of(name, model, x, y=None, **options):
    fitted = model.fit(x) if y is None else model.fit(x, y)
    zipmap = {} if y is None or not hasattr(fitted, "classes_") else {id(fitted): {"zipmap": False}}
    save(name, to_onnx(fitted, x[:1], options=zipmap or None, target_opset={"": 17, "ai.onnx.ml": 3}, **options))


def catboost_of(name, model, x, y):
    """CatBoost's exporter always ends with a ZipMap, whose list of maps no worker reads: what goes into it is the output."""
    model.fit(x, y, silent=True)
    file = INTO / f"{name}.onnx"
    model.save_model(str(file), format="onnx")
    exported = onnx.load(file)
    graph = exported.graph
    for node in [node for node in graph.node if node.op_type == "ZipMap"]:
        graph.node.remove(node)
        [old] = [one for one in graph.output if one.name == node.output[0]]
        graph.output.remove(old)
        graph.output.append(helper.make_tensor_value_info(node.input[0], TensorProto.FLOAT, ["N", len(model.classes_)]))
    save(name, exported)


quiet = {"verbose": -1, "num_leaves": 15, **PLAIN}
lightgbm_of("lightgbm-binary-missing", lgb.LGBMClassifier(**quiet), XM, binary)
lightgbm_of("lightgbm-multiclass", lgb.LGBMClassifier(**quiet), X, multi)
lightgbm_of("lightgbm-regression-missing", lgb.LGBMRegressor(**quiet), XM, signal)
lightgbm_of("lightgbm-quantile", lgb.LGBMRegressor(objective="quantile", alpha=0.9, **quiet), X, signal)
lightgbm_of("lightgbm-ranking", lgb.LGBMRanker(**quiet), X, rank, group=GROUPS)
lightgbm_of("lightgbm-200-leaves", lgb.LGBMRegressor(**{**quiet, "num_leaves": 200, "n_estimators": 5}), X, signal)

small = {"max_depth": 4, **PLAIN}
xgboost_of("xgboost-binary-missing", xgb.XGBClassifier(**small), XM, binary)
xgboost_of("xgboost-multiclass", xgb.XGBClassifier(**small), X, multi)
xgboost_of("xgboost-regression", xgb.XGBRegressor(**small), X, signal)

sklearn_of("random-forest-binary", forests.RandomForestClassifier(max_depth=5, **PLAIN), X, binary)
sklearn_of("random-forest-multiclass", forests.RandomForestClassifier(max_depth=5, **PLAIN), X, multi)
sklearn_of("random-forest-regression-deep", forests.RandomForestRegressor(**{**PLAIN, "n_estimators": 3}), X[:1_500], signal[:1_500])
sklearn_of("gradient-boosting-binary", forests.GradientBoostingClassifier(**PLAIN), X, binary)
sklearn_of("gradient-boosting-multiclass", forests.GradientBoostingClassifier(**PLAIN), X, multi)
sklearn_of("gradient-boosting-regression", forests.GradientBoostingRegressor(**PLAIN), X, signal)
hist = {"max_iter": 20, "max_leaf_nodes": 15, "random_state": 7}
sklearn_of("hist-gradient-boosting-binary-missing", forests.HistGradientBoostingClassifier(**hist), XM, binary)
sklearn_of("hist-gradient-boosting-regression-missing", forests.HistGradientBoostingRegressor(**hist), XM, signal)
sklearn_of("isolation-forest", forests.IsolationForest(max_samples=64, **PLAIN), X)
sklearn_of("scaled-and-filled-forest", make_pipeline(SimpleImputer(), StandardScaler(), forests.RandomForestRegressor(max_depth=5, **PLAIN)), XM, signal)

oblivious = {"iterations": 20, "depth": 4, "random_seed": 7, "allow_writing_files": False}
catboost_of("catboost-binary", catboost.CatBoostClassifier(**oblivious), X, binary)
catboost_of("catboost-multiclass", catboost.CatBoostClassifier(**oblivious), X, multi)
catboost_of("catboost-regression", catboost.CatBoostRegressor(**oblivious), X, signal)

"""Makes card-mlp.onnx and its golden rows: a neural network for what card-gbdt answers, trained on the same (card.py).

    python topologies/models/card-mlp.py rows
    cd topologies
    npx tidemark model types models/card-mlp.onnx --golden models/card-mlp.golden.json --out models/card-mlp.model.ts

AUC 0.863, log loss 0.084.
"""
import sys
from pathlib import Path

import numpy as np
from onnx import TensorProto as T, helper as h, numpy_helper
from sklearn.neural_network import MLPClassifier

from card import FEATURES, payments
from trees import PROBABILITY, keep_tested

HIDDEN = (64, 32)


def main():
    (x, y), test = payments(sys.argv[1])
    keep_tested(Path(__file__).with_suffix(".onnx"), network(x, y), FEATURES, test)


def network(x, y):
    """Its input is the logarithm of the features, scaled; the scale is part of the first layer."""
    logs = np.log1p(x.astype(float))
    mean, std = logs.mean(axis=0), logs.std(axis=0)
    fitted = MLPClassifier(HIDDEN, batch_size=512, max_iter=12, random_state=1).fit((logs - mean) / std, y)
    (first, *others), (bias, *biases) = fitted.coefs_, fitted.intercepts_
    weights = [first / std[:, None], *others]
    shifts = [bias - mean / std @ first, *biases]
    values = {"one": np.ones(1)}
    nodes = [h.make_node("Add", ["features", "one"], ["more"]), h.make_node("Log", ["more"], ["layer0"])]
    for i, (weight, shift) in enumerate(zip(weights, shifts), 1):
        values |= {f"weight{i}": weight, f"shift{i}": shift}
        nodes += [
            h.make_node("MatMul", [f"layer{i - 1}", f"weight{i}"], [f"product{i}"]),
            h.make_node("Add", [f"product{i}", f"shift{i}"], [f"sum{i}"]),
            h.make_node("Relu", [f"sum{i}"], [f"layer{i}"]),
        ]
    nodes[-1] = h.make_node("Sigmoid", [f"sum{len(weights)}"], ["probability"])
    constants = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in values.items()]
    rows = h.make_tensor_value_info("features", T.FLOAT, ["N", len(FEATURES)])
    graph = h.make_graph(nodes, "card-mlp", [rows], [PROBABILITY], constants)
    return h.make_model(graph, opset_imports=[h.make_opsetid("", 15)], ir_version=8)


main()

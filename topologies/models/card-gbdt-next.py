"""Makes card-gbdt-next.onnx and its golden rows: a smaller candidate for the place of card-gbdt, trained on the same (card.py).

    python topologies/models/card-gbdt-next.py rows
    cd topologies
    npx tidemark model types models/card-gbdt-next.onnx --golden models/card-gbdt-next.golden.json --out models/card-gbdt-next.model.ts

AUC 0.861, log loss 0.084, as card-gbdt with less than half of its leaves.
"""
import sys
from pathlib import Path

from card import FEATURES, payments
from trees import train

TREES = dict(n_estimators=80, num_leaves=12, learning_rate=0.08, min_child_samples=200)

train(Path(__file__).with_suffix(".onnx"), FEATURES, TREES, *payments(sys.argv[1]))

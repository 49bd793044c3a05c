"""Makes card-gbdt.onnx and its golden rows: is a card payment suspicious? What it is trained on: card.py.

    python topologies/models/card-gbdt.py rows
    cd topologies
    npx tidemark model types models/card-gbdt.onnx --golden models/card-gbdt.golden.json --version 2 --out models/card-gbdt.model.ts

AUC 0.861, log loss 0.084.
"""
import sys
from pathlib import Path

from card import FEATURES, payments
from trees import train

TREES = dict(n_estimators=100, max_depth=6, num_leaves=31, learning_rate=0.06, min_child_samples=100)

train(Path(__file__).with_suffix(".onnx"), FEATURES, TREES, *payments(sys.argv[1]))

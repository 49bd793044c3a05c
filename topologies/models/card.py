"""Shared by the scripts that make models for card payments: the payments to train and test on, and which are suspicious.

The features of the rows are computed by Tidemark itself, so training and serving cannot disagree:

    pip install -r topologies/starter/requirements.txt
    npx tsx test/bench/payments.ts 1300000 1 > payments.tsv
    npx tidemark batch topologies/card-fraud.ts --input payments.tsv --output rows --rows --with paymentId

The payments are synthetic, and so is the definition of suspicious (`risk` below): large amounts, more merchants in an hour than
the card's day leads to expect, many categories within minutes, payments in quick succession. The data covers 36 hours. The first
day is left out, since its windows are not full. The 323,047 payments of the next nine hours are to train on, the 112,125 of the
last three to test on. 2.3 % of these are suspicious; scoring with the true risk would reach AUC 0.866. The same rows produce the
same model on the same machine.
"""
import numpy as np

from trees import columns, read_rows

HOUR = 3_600_000
DAY = 24 * HOUR
SPLIT = 33 * HOUR
FEATURES = [
    "amount",
    "secondsSincePrevious",
    "count5m",
    "sum5m",
    "mean5m",
    "categories5m",
    "count1h",
    "sum1h",
    "max1h",
    "merchants1h",
    "count24h",
    "sum24h",
    "std24h",
]


def payments(folder):
    """Rows and labels to train on, and rows and labels to test on."""
    rows = read_rows(folder)
    rows.sort(key=lambda row: (row["eventTime"], row["paymentId"]))
    times = np.array([row["eventTime"] for row in rows])
    times -= times[0]
    x = columns(rows, FEATURES)
    y = (np.random.default_rng(1).random(len(x)) < risk(dict(zip(FEATURES, x.T.astype(float))))).astype(int)
    past, coming = (times >= DAY) & (times < SPLIT), times >= SPLIT
    return (x[past], y[past]), (x[coming], y[coming])


def risk(of):
    """The probability that a payment is suspicious, by definition."""
    hourly = of["count24h"] / 24
    odds = (
        2.0 * np.log1p(of["amount"] / 20)
        + 3.0 * np.log((1 + of["merchants1h"]) / (1 + hourly))
        + 1.0 * np.minimum(of["categories5m"] - 1, 3)
        + 1.2 * (of["secondsSincePrevious"] < 60)
    )
    return 1 / (1 + np.exp(7.5 - odds))

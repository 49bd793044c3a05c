"""W1 in pandas: rolling windows over the payments of each card, in order of time.

python pandas-rolling.py PAYMENTS.parquet MODEL.onnx OUTPUT.parquet
"""

import sys

import numpy as np
import onnxruntime as ort
import pandas as pd
from pandas.api.indexers import BaseIndexer

THREADS = 2
BATCH = 100_000
MINUTE_MS = 60_000
DAY_MS = 1_440 * MINUTE_MS


class Bounds(BaseIndexer):
    """Windows whose bounds are found once for all their aggregates: `groupby().rolling()` finds them each time."""

    def get_window_bounds(self, num_values=0, min_periods=None, center=None, closed=None, step=None):
        return self.starts, self.ends


def features_of(payments: pd.DataFrame) -> pd.DataFrame:
    """`payments` are sorted by `at`, which is more than a day apart for any two cards."""
    at = payments["at"].to_numpy()
    amounts = payments["amount"]
    categories = pd.Series(pd.factorize(payments["category"])[0].astype(np.float64))
    merchants = pd.Series(pd.factorize(payments["merchantId"])[0].astype(np.float64))
    ends = np.arange(1, len(at) + 1, dtype=np.int64)

    def window(length_ms: int) -> tuple[Bounds, np.ndarray]:
        starts = np.searchsorted(at, at - length_ms, side="right").astype(np.int64)
        return Bounds(starts=starts, ends=ends), ends - starts

    five_minutes, count_5m = window(5 * MINUTE_MS)
    hour, count_1h = window(60 * MINUTE_MS)
    day, count_24h = window(DAY_MS)
    gaps = np.diff(at, prepend=at[:1])
    is_first = payments["cardId"] != payments["cardId"].shift()
    in_5m, in_1h, in_24h = (amounts.rolling(of, min_periods=1) for of in (five_minutes, hour, day))
    return pd.DataFrame(
        {
            "amount": amounts,
            "secondsSincePrevious": np.where(is_first, 0, np.minimum(gaps, DAY_MS) / 1_000),
            "count5m": count_5m,
            "sum5m": in_5m.sum(),
            "mean5m": in_5m.mean(),
            "categories5m": categories.rolling(five_minutes, min_periods=1).nunique(),
            "count1h": count_1h,
            "sum1h": in_1h.sum(),
            "max1h": in_1h.max(),
            "merchants1h": merchants.rolling(hour, min_periods=1).nunique(),
            "count24h": count_24h,
            "sum24h": in_24h.sum(),
            "std24h": in_24h.std(ddof=0),
        }
    ).astype(np.float32)


def scores_of(features: np.ndarray, model: str) -> np.ndarray:
    options = ort.SessionOptions()
    options.intra_op_num_threads = THREADS
    session = ort.InferenceSession(model, options)
    batches = (features[at : at + BATCH] for at in range(0, len(features), BATCH))
    return np.concatenate([session.run(["probability"], {"features": of})[0].ravel() for of in batches])


def main(source: str, model: str, target: str) -> None:
    columns = ["paymentId", "cardId", "merchantId", "category", "amount", "paidAt"]
    payments = pd.read_parquet(source, columns=columns)
    cards = pd.factorize(payments["cardId"])[0].astype(np.int64)
    times = payments["paidAt"] - payments["paidAt"].min()
    # One axis for all cards, on which no window reaches into the card before.
    payments["at"] = cards * (times.max() + DAY_MS + 1) + times
    payments = payments.sort_values("at", kind="stable", ignore_index=True)
    scored = features_of(payments)
    scored["probability"] = scores_of(scored.to_numpy(np.float32), model)
    scored.insert(0, "paymentId", payments["paymentId"])
    scored.to_parquet(target, index=False)


main(*sys.argv[1:])

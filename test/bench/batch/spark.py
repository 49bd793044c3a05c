"""W1 in PySpark: window functions over the payments of each card, in order of time, and a `pandas_udf` for the score.

python spark.py PAYMENTS.parquet MODEL.onnx OUTPUT
"""

import os
import sys
from collections.abc import Iterator

import numpy as np
import onnxruntime as ort
import pandas as pd
from pyspark.sql import SparkSession, Window
from pyspark.sql import functions as f

MINUTE_MS = 60_000
DAY_MS = 1_440 * MINUTE_MS


def features() -> dict:
    card = Window.partitionBy("cardId").orderBy("paidAt")
    five_minutes = card.rangeBetween(1 - 5 * MINUTE_MS, 0)
    hour = card.rangeBetween(1 - 60 * MINUTE_MS, 0)
    day = card.rangeBetween(1 - DAY_MS, 0)
    since_ms = f.coalesce(f.col("paidAt") - f.lag("paidAt").over(card), f.lit(0))
    return {
        "amount": f.col("amount"),
        "secondsSincePrevious": f.least(since_ms, f.lit(DAY_MS)) / 1_000,
        "count5m": f.count("*").over(five_minutes),
        "sum5m": f.sum("amount").over(five_minutes),
        "mean5m": f.avg("amount").over(five_minutes),
        # Spark has no distinct aggregates over windows.
        "categories5m": f.size(f.collect_set("category").over(five_minutes)),
        "count1h": f.count("*").over(hour),
        "sum1h": f.sum("amount").over(hour),
        "max1h": f.max("amount").over(hour),
        "merchants1h": f.size(f.collect_set("merchantId").over(hour)),
        "count24h": f.count("*").over(day),
        "sum24h": f.sum("amount").over(day),
        "std24h": f.stddev_pop("amount").over(day),
    }


def main(source: str, model: str, target: str) -> None:
    # Workers run in the same environment as this program.
    os.environ["PYSPARK_PYTHON"] = sys.executable
    spark = (
        SparkSession.builder.master("local[2]")
        .config("spark.driver.memory", "6g")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", 8)
        .config("spark.sql.execution.arrow.maxRecordsPerBatch", 100_000)
        .getOrCreate()
    )

    @f.pandas_udf("float")
    def score(batches: Iterator[tuple[pd.Series, ...]]) -> Iterator[pd.Series]:
        options = ort.SessionOptions()
        # One for each of the two workers.
        options.intra_op_num_threads = 1
        session = ort.InferenceSession(model, options)
        for columns in batches:
            [scores] = session.run(["probability"], {"features": np.column_stack(columns)})
            yield pd.Series(scores.ravel())

    columns = features()
    rows = spark.read.parquet(source).select(
        "paymentId", *(column.cast("float").alias(name) for name, column in columns.items())
    )
    rows.withColumn("probability", score(*columns)).write.parquet(target)
    spark.stop()


main(*sys.argv[1:])

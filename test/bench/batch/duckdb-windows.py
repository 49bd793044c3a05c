"""W1 in DuckDB: windows in SQL over the payments of each card, in order of time.

python duckdb-windows.py PAYMENTS.parquet MODEL.onnx OUTPUT.parquet
"""

import sys

import duckdb
import numpy as np
import onnxruntime as ort
import pyarrow as pa
import pyarrow.parquet as pq

THREADS = 2
BATCH = 100_000

FEATURES = """
SELECT
  paymentId,
  amount::FLOAT AS amount,
  (least(coalesce(paidAt - lag(paidAt) OVER card, 0), 86400000) / 1000)::FLOAT AS secondsSincePrevious,
  (count(*) OVER five_minutes)::FLOAT AS count5m,
  (sum(amount) OVER five_minutes)::FLOAT AS sum5m,
  (avg(amount) OVER five_minutes)::FLOAT AS mean5m,
  (count(DISTINCT category) OVER five_minutes)::FLOAT AS categories5m,
  (count(*) OVER hour)::FLOAT AS count1h,
  (sum(amount) OVER hour)::FLOAT AS sum1h,
  (max(amount) OVER hour)::FLOAT AS max1h,
  (count(DISTINCT merchantId) OVER hour)::FLOAT AS merchants1h,
  (count(*) OVER day)::FLOAT AS count24h,
  (sum(amount) OVER day)::FLOAT AS sum24h,
  (stddev_pop(amount) OVER day)::FLOAT AS std24h
FROM read_parquet($source)
WINDOW
  card AS (PARTITION BY cardId ORDER BY paidAt),
  five_minutes AS (PARTITION BY cardId ORDER BY paidAt RANGE BETWEEN 299999 PRECEDING AND CURRENT ROW),
  hour AS (PARTITION BY cardId ORDER BY paidAt RANGE BETWEEN 3599999 PRECEDING AND CURRENT ROW),
  day AS (PARTITION BY cardId ORDER BY paidAt RANGE BETWEEN 86399999 PRECEDING AND CURRENT ROW)
"""


def main(source: str, model: str, target: str) -> None:
    options = ort.SessionOptions()
    options.intra_op_num_threads = THREADS
    session = ort.InferenceSession(model, options)
    database = duckdb.connect(config={"threads": THREADS})
    batches = database.sql(FEATURES, params={"source": source}).to_arrow_reader(BATCH)
    schema = batches.schema.append(pa.field("probability", pa.float32()))
    with pq.ParquetWriter(target, schema) as writer:
        for batch in batches:
            features = np.column_stack([column.to_numpy() for column in batch.columns[1:]])
            [scores] = session.run(["probability"], {"features": features})
            writer.write_batch(batch.append_column("probability", pa.array(scores.ravel())))


main(*sys.argv[1:])

"""A model over rows of Parquet as one writes it in Python: python model.py MODEL GOLDEN INPUT OUTPUT

Batches of 2,048 rows, and one session of two threads. Prints rows, seconds and peak memory as JSON.
"""

import json
import resource
import sys
import time

import numpy as np
import onnxruntime
import pyarrow as pa
import pyarrow.parquet as pq

model, golden, source, target = sys.argv[1:]
began = time.perf_counter()
features = json.load(open(golden))["features"]
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 2
session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
name = session.get_inputs()[0].name
writer, rows = None, 0
for batch in pq.ParquetFile(source).iter_batches(2_048):
    columns = [batch.column(feature).to_numpy(zero_copy_only=False) for feature in features]
    (scores,) = session.run(["probability"], {name: np.column_stack(columns).astype(np.float32)})
    scored = batch.append_column("probability", pa.array(scores.reshape(-1)))
    writer = writer or pq.ParquetWriter(target, scored.schema)
    writer.write_batch(scored)
    rows += len(scored)
writer.close()
seconds = time.perf_counter() - began
megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024
print(json.dumps({"rows": rows, "seconds": seconds, "megabytes": megabytes}))

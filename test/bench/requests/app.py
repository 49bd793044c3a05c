"""A model behind FastAPI, as most people write it. MODEL: its ONNX file."""

import os
import time

import numpy as np
import onnxruntime as ort
from fastapi import FastAPI
from pydantic import BaseModel

options = ort.SessionOptions()
options.intra_op_num_threads = 1
session = ort.InferenceSession(os.environ["MODEL"], options)
name = session.get_inputs()[0].name
app = FastAPI()


class Request(BaseModel):
    features: list[float]


@app.get("/health")
def health():
    return {"status": "ok"}


@app.post("/predict")
def predict(request: Request):
    began = time.perf_counter()
    score = float(session.run(None, {name: np.array([request.features], dtype=np.float32)})[0].reshape(-1)[0])
    return {"prediction": score, "confidence": max(score, 1 - score), "latency_ms": (time.perf_counter() - began) * 1000}

"""Asks a server for the golden rows with the clients of others: every score must have the bits of the golden file's model.

usage: check.py URL GOLDEN.json SCORES.json   SCORES: a list for each row, as tidemark batch --model has written them
"""

import asyncio
import json
import subprocess
import sys

import numpy as np
import tritonclient.http as triton
import tritonclient.http.aio as triton_aio
from kserve import InferInput, InferRequest, InferenceRESTClient, RESTConfig

url, golden_file, scores_file = sys.argv[1:]
host = url.removeprefix("http://")
name, output = "card-gbdt", "probability"
rows = np.array(json.load(open(golden_file))["inputs"], dtype=np.float32)
scores = np.array(json.load(open(scores_file)), dtype=np.float32)


def expect(who: str, found: np.ndarray) -> None:
    found = found.reshape(-1)
    is_same_form = found.shape == scores.shape and found.dtype == np.float32
    different = int((found.view(np.int32) != scores.view(np.int32)).sum()) if is_same_form else -1
    print(f"{who}: {len(found)} scores, {different} different")
    if different != 0:
        sys.exit(1)


def triton_input(is_binary: bool):
    tensor = triton.InferInput("features", list(rows.shape), "FP32")
    tensor.set_data_from_numpy(rows, binary_data=is_binary)
    return [tensor]


client = triton.InferenceServerClient(host)
assert client.is_server_live() and client.is_server_ready() and client.is_model_ready(name)
assert client.is_model_ready(name, "2") and not client.is_model_ready("none")
assert client.get_model_metadata(name)["inputs"] == [{"name": "features", "datatype": "FP32", "shape": [-1, 13]}]
assert client.get_model_metadata(name)["outputs"] == [{"name": output, "datatype": "FP32", "shape": [-1]}]
assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
for is_binary in (True, False):
    wanted = [triton.InferRequestedOutput(output, binary_data=is_binary)]
    for packed in (None, "gzip", "deflate"):
        answer = client.infer(name, triton_input(is_binary), outputs=wanted, request_id="7", request_compression_algorithm=packed)
        assert answer.get_response()["id"] == "7"
        expect(f"tritonclient, {'binary' if is_binary else 'JSON'}, {packed or 'not packed'}", answer.as_numpy(output))
try:
    client.infer("none", triton_input(True))
    sys.exit("a model that is not there was scored")
except triton.InferenceServerException as error:
    print(f"tritonclient, an unknown model: {error}")


async def ask_aio() -> None:
    async with triton_aio.InferenceServerClient(host) as client:
        assert await client.is_server_live()
        for is_binary in (True, False):
            wanted = [triton_aio.InferRequestedOutput(output, binary_data=is_binary)]
            answer = await client.infer(name, triton_input(is_binary), outputs=wanted)
            expect(f"tritonclient.aio, {'binary' if is_binary else 'JSON'}", answer.as_numpy(output))


async def ask_kserve() -> None:
    client = InferenceRESTClient(RESTConfig(protocol="v2", retries=1))
    assert await client.is_server_ready(url) and await client.is_server_live(url) and await client.is_model_ready(url, name)
    for is_binary in (True, False):
        tensor = InferInput("features", list(rows.shape), "FP32")
        tensor.set_data_from_numpy(rows, binary_data=is_binary)
        answer = await client.infer(url, InferRequest(name, [tensor]), model_name=name)
        expect(f"kserve, {'binary' if is_binary else 'JSON'}", answer.outputs[0].as_numpy())
    await client.close()


asyncio.run(ask_aio())
asyncio.run(ask_kserve())
body = json.dumps({"features": rows.tolist()})
told = subprocess.run(["curl", "-sS", f"{url}/predict", "--data-binary", "@-"], input=body, capture_output=True, text=True, check=True)
expect("curl", np.array(json.loads(told.stdout)["prediction"], dtype=np.float32))

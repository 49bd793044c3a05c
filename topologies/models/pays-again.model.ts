// Written by `tidemark model types models/pays-again.onnx --golden models/pays-again.golden.json`; do not edit.
import { onnxModel } from 'tidemark'

export const paysAgain = onnxModel({
  name: 'pays-again',
  version: '1',
  file: new URL('./pays-again.onnx', import.meta.url),
  sha256: '018de9251173f3cc491ee6f8b22295a59bb243e147728475473c740a3e9991db',
  input: 'features',
  features: [
    'payments',
    'spent',
    'largest',
    'merchants',
    'secondsSinceActive',
    'minutesActive10m',
    'payments10m',
    'minutesActive1h',
    'payments1h',
    'spent1h',
    'busiestMinute1h',
  ],
  outputs: { probability: { tensor: 'probability', column: 0 } },
  golden: new URL('./pays-again.golden.json', import.meta.url),
})

// Written by `tidemark model types models/pays-again.onnx --golden models/pays-again.golden.json`; state accuracy, and edit nothing else.
import { onnxModel } from 'tidemark'

export const paysAgain = onnxModel({
  name: 'pays-again',
  version: '1',
  file: new URL('./pays-again.onnx', import.meta.url),
  sha256: 'f231fbf7d4cbd5684c1438b1df84bb42b305572d56d00d2b812422a3d30bcea9',
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

// Written by `tidemark model types models/card-mlp.onnx --golden models/card-mlp.golden.json`; do not edit.
import { onnxModel } from 'tidemark'

export const cardMlp = onnxModel({
  name: 'card-mlp',
  version: '1',
  file: new URL('./card-mlp.onnx', import.meta.url),
  sha256: 'e9c333d64e6e217544ee6b314803c538dc4c6052dca120c81c5caa47faed340a',
  input: 'features',
  features: [
    'amount',
    'secondsSincePrevious',
    'count5m',
    'sum5m',
    'mean5m',
    'categories5m',
    'count1h',
    'sum1h',
    'max1h',
    'merchants1h',
    'count24h',
    'sum24h',
    'std24h',
  ],
  outputs: { probability: { tensor: 'probability', column: 0 } },
  golden: new URL('./card-mlp.golden.json', import.meta.url),
})

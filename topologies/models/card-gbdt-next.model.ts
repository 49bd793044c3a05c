// Written by `tidemark model types models/card-gbdt-next.onnx --golden models/card-gbdt-next.golden.json`; do not edit.
import { onnxModel } from 'tidemark'

export const cardGbdtNext = onnxModel({
  name: 'card-gbdt-next',
  version: '1',
  file: new URL('./card-gbdt-next.onnx', import.meta.url),
  sha256: '448749bb604c22bc7c5042364f880ae93946df2e94bb77382db7eec465892f1c',
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
  golden: new URL('./card-gbdt-next.golden.json', import.meta.url),
})

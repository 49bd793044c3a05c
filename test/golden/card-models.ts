import { onnxModel } from 'tidemark'
import { cardGbdt as w1 } from '../fixtures/models/card-gbdt.model.ts'

// The models of the golden topologies that have several. Their accuracies are those that were
// measured when they were trained.

const { features, outputs } = w1
const FIXTURES = new URL('../fixtures/models/', import.meta.url)
const common = { version: '1', input: 'features', features, outputs }
const TESTED_ON = 39_944

export const cardGbdt = onnxModel({
  ...common,
  name: 'card-gbdt',
  file: new URL('card-gbdt.onnx', FIXTURES),
  sha256: 'f661455d9ee07bb0f174cb77ac1ec4b467723d000e9caaaa03fe4c3e064c55af',
  accuracy: { auc: 0.8552, rows: TESTED_ON },
})

export const cardGbdt2 = onnxModel({
  ...common,
  name: 'card-gbdt-v2',
  file: new URL('card-gbdt-v2.onnx', FIXTURES),
  sha256: '94cf8f2e08f8fc38f7c41eeb93336a50ee2290a4650228616be2d96845b2537a',
  accuracy: { auc: 0.8566, rows: TESTED_ON },
})

export const cardMlp = onnxModel({
  ...common,
  name: 'card-mlp',
  file: new URL('card-mlp.onnx', FIXTURES),
  sha256: '1336e13f3faf6b95018e792488ef94182be17b08eace1f3e4c894cc939d66b96',
  accuracy: { auc: 0.8624, rows: TESTED_ON },
})

/** Takes all features but the last. */
export const cardMlp12 = onnxModel({
  ...common,
  name: 'card-12-inputs',
  file: new URL('card-12-inputs.onnx', FIXTURES),
  sha256: '994ac7dcc91948f45112f8443f230ee23785da1c0319d49d7928002ba61614ac',
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
  ],
})

/** Returns NaN for an amount over 150. */
export const cardNan = onnxModel({
  ...common,
  name: 'card-nan',
  file: new URL('card-nan.onnx', FIXTURES),
  sha256: '649a1995841269fabf98180a973ec6f932a0f0dce47071a6632606dbf7ff0a72',
})

/** Fails on an amount whose cents, modulo 64, are 63. */
export const cardCents = onnxModel({
  ...common,
  name: 'card-cents',
  file: new URL('card-cents.onnx', FIXTURES),
  sha256: 'b727c9691de77b7be501e93d7fc1ada8c52157d0d873d0d732c464e6a8a4c304',
  golden: new URL('card-cents.golden.json', FIXTURES),
})

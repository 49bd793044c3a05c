import { expect, test } from 'vitest'
import { providersFault, unknownProviders } from '../../src/scoring/onnx-runtime.ts'

test.each<[string, readonly string[], string | null]>([
  ['cpu alone', ['cpu'], null],
  ['several with cpu last', ['tensorrt', 'cuda', 'cpu'], null],
  ['one that may be absent', ['cuda'], 'the last is not cpu, which every machine has'],
  ['cpu before another', ['cpu', 'cuda'], 'the last is not cpu, which every machine has'],
  ['one twice', ['cuda', 'cuda', 'cpu'], '"cuda" is given twice'],
  ['none', [], 'the last is not cpu, which every machine has'],
])('%s as execution providers', (_, providers, fault) => {
  expect(providersFault(providers)).toBe(fault)
})

test('each provider that ONNX Runtime does not have or offer is a fault, with those that it has', async () => {
  const faults = await unknownProviders(['gpu', 'constructor', 'webgpu', 'cpu'])
  expect(faults.map(({ code, where, message }) => ({ code, where, message }))).toEqual(
    ['gpu', 'constructor', 'webgpu'].map((name) => ({
      code: 'CONFIG_INVALID',
      where: '--providers',
      message: `ONNX Runtime has no provider "${name}" here`,
    })),
  )
  expect(faults[0]?.hint).toMatch(/^it has cpu\b/)
})

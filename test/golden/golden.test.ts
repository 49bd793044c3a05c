import { describe, expect, it } from 'vitest'
import { type Answer, compareGolden, readGolden } from './golden.ts'

const folder = (name: string) => new URL(name, import.meta.url).pathname
const golden = readGolden(folder('card-edge'))

/** The expected answers with one of them changed. */
function withAnswer(line: number, change: Partial<Answer>): Answer[] {
  return golden.expected.map((answer, n) => (n === line ? { ...answer, ...change } : answer))
}

function featuresOf(line: number): number[] {
  return Array.from(golden.expected[line]?.features ?? [])
}

/** The next float32 away from 0. */
function oneUlpFrom(value: number): number {
  const float = Float32Array.of(value)
  const bits = new Uint32Array(float.buffer)
  bits[0] = (bits[0] ?? 0) + 1
  return float[0] ?? Number.NaN
}

describe('a golden folder', () => {
  it.each([
    ['card-5k', { scored: 4_992, late: 7, malformed: 1 }],
    ['card-28h', { scored: 4_027, late: 30, malformed: 42 }],
    ['card-edge', { scored: 34, late: 2, malformed: 16 }],
    ['flight-delay', { scored: 2_058, skipped: 1_942 }],
  ])('%s has an answer to each line', (name, outcomes) => {
    const { lines, expected } = readGolden(folder(name))
    const counts: Record<string, number> = {}
    for (const { outcome } of expected) counts[outcome] = (counts[outcome] ?? 0) + 1
    expect(counts).toEqual(outcomes)
    expect(lines).toHaveLength(expected.length)
  })

  it('keeps lines whose value is empty, and keys beyond ASCII', () => {
    expect(golden.lines[32]).toMatchObject({ key: 'c-edge-e', value: '' })
    expect(golden.lines[30]).toMatchObject({ key: 'c-édge-ü-✈', partition: 3 })
  })

  it('takes the key of NDJSON from its field', () => {
    const [line] = readGolden(folder('flight-delay')).lines
    expect(line?.key).toBe('UA-EWR')
    expect(line?.value).toMatch(/^\{"kind":"landed"/)
  })

  it.each(['card-5k', 'card-28h', 'card-edge'])('%s: the keys lie where Java puts them', (name) => {
    const { lines, expected } = readGolden(folder(name))
    expect(lines.map((line) => line.partition)).toEqual(expected.map((answer) => answer.partition))
  })
})

describe('comparing', () => {
  it('finds nothing where all is equal', () => {
    expect(compareGolden(golden, golden.expected)).toEqual([])
  })

  it('takes NaN for equal to NaN only', () => {
    const flights = readGolden(folder('flight-delay'))
    expect(compareGolden(flights, flights.expected)).toEqual([])
    const features = Array.from(flights.expected[70]?.features ?? [])
    features[1] = 0
    const actual = flights.expected.with(70, {
      ...flights.expected[70],
      outcome: 'scored',
      features,
    })
    expect(compareGolden(flights, actual)).toEqual(['line 70: secondsSinceLast is 0, not NaN'])
  })

  it('finds a flipped outcome', () => {
    const actual = withAnswer(10, { outcome: 'scored' })
    expect(compareGolden(golden, actual)).toEqual(['line 10: scored, not late'])
  })

  it('finds a feature that is one float32 off', () => {
    const features = featuresOf(2)
    features[12] = oneUlpFrom(features[12] ?? 0)
    const [difference, ...more] = compareGolden(golden, withAnswer(2, { features }))
    expect(difference).toMatch(/^line 2: std24h is 7\.7602\d+, not 7\.7602\d+$/)
    expect(more).toEqual([])
  })

  it('finds a row of another width', () => {
    const actual = withAnswer(0, { features: featuresOf(0).slice(1) })
    expect(compareGolden(golden, actual)).toEqual(['line 0: 12 features, not 13'])
  })

  it('takes a probability within 1e-6, none beyond and no NaN', () => {
    const { probability = 0 } = golden.expected[0] ?? {}
    const off = (by: number) =>
      compareGolden(golden, withAnswer(0, { probability: probability + by }))
    expect(off(9e-7)).toEqual([])
    expect(off(2e-6)).toHaveLength(1)
    expect(off(-2e-6)).toHaveLength(1)
    expect(off(Number.NaN)).toEqual([`line 0: probability NaN, not ${probability}`])
  })

  it('finds a wrong partition', () => {
    const actual = withAnswer(0, { partition: 4 })
    expect(compareGolden(golden, actual)).toEqual(['line 0: partition 4, not 5'])
  })

  it('finds a line without an answer, and an answer without a line', () => {
    const last = golden.expected.length - 1
    expect(compareGolden(golden, golden.expected.slice(0, -1))).toEqual([`line ${last}: no answer`])
    expect(compareGolden(golden, [...golden.expected, { outcome: 'late' }])).toEqual([
      `line ${last + 1}: an answer to no line`,
    ])
  })

  it('stops at 20 differences', () => {
    expect(compareGolden(golden, [])).toHaveLength(20)
  })
})

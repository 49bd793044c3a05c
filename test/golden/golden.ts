import { readFileSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { Partitioners } from 'kafkajs'

// A golden test is a folder: golden.json names the topology, its input and the answer to each line.
// See README.md.

/** `malformed`: a dead letter other than a late one. */
type Outcome = 'scored' | 'late' | 'malformed' | 'skipped'

interface GoldenLine {
  readonly key: string
  readonly value: string
  /** Where Java's default partitioner puts the key. */
  readonly partition: number
}

/** The answer to one line; a field that is absent is not checked. */
export interface Answer {
  readonly outcome: Outcome
  /** In the order of {@link Golden.featureNames}; float32 values, NaN where missing. */
  readonly features?: ArrayLike<number>
  readonly probability?: number
  readonly partition?: number
  /** The model that scored it, `name@version`, and why that one. */
  readonly model?: string
  readonly route?: string
  /** The score of the model that is only watched. */
  readonly shadow?: number
}

export interface Golden {
  /** The folder's name. */
  readonly name: string
  /** Path of the module whose default export is the topology. */
  readonly topologyFile: string
  readonly partitions: number
  /** `none`: the answers know no future guard; `null`: the topology's own holds. */
  readonly maxAhead: 'none' | null
  /** The field that an output and its event share. */
  readonly idField: string
  readonly featureNames: readonly string[]
  /** How far a feature may be from the expected one, relative to it. 0: it has the same bits. */
  readonly tolerance: number
  readonly lines: readonly GoldenLine[]
  /** One for each line, in their order. */
  readonly expected: readonly Answer[]
}

interface Manifest {
  readonly topology: string
  readonly input: string
  readonly expected: string
  readonly format: 'tsv' | 'ndjson'
  readonly key: string | null
  readonly partitions: number
  readonly maxAhead: 'none' | null
  readonly id: string
  readonly features: readonly string[]
  /** @default 0 */
  readonly tolerance?: number
}

interface ExpectedLine extends Omit<Answer, 'outcome' | 'features'> {
  readonly line: number
  readonly outcome: Outcome | 'landed'
  readonly features?: readonly (number | null)[]
}

/** Folders whose topologies have more than one model. */
export const SEVERAL_MODELS = [
  'card-routes',
  'card-shares',
  'card-fallback',
  'card-shadow',
  'card-variants',
]

/** How far a probability may be from the expected one: models agree across machines only so far. */
const PROBABILITY_TOLERANCE = 1e-6
const MOST_DIFFERENCES = 20
/** Fields that must be as the expected answer has them. */
const SAME = ['partition', 'model', 'route'] as const

/**
 * Reads a golden folder, such as `test/golden/card-5k`.
 *
 * @throws Error when the expected file does not answer line by line, in order, or a row is not as
 * wide as `features`
 */
export function readGolden(folder: string): Golden {
  const manifest = JSON.parse(readFileSync(join(folder, 'golden.json'), 'utf8')) as Manifest
  const partitionOf = partitioner(manifest.partitions)
  const lines = linesOf(join(folder, manifest.input)).map((line) => {
    const { key, value } = splitLine(line, manifest)
    return { key, value, partition: partitionOf(key) }
  })
  const expected = linesOf(join(folder, manifest.expected)).map(readAnswer)
  if (expected.length !== lines.length) {
    throw new Error(`${folder}: ${lines.length} lines, ${expected.length} answers`)
  }
  const width = manifest.features.length
  const odd = expected.findIndex(({ features }) => features && features.length !== width)
  if (odd !== -1) throw new Error(`${folder}: answer ${odd} has not ${width} features`)
  return {
    name: basename(folder),
    topologyFile: resolve(folder, manifest.topology),
    partitions: manifest.partitions,
    maxAhead: manifest.maxAhead,
    idField: manifest.id,
    featureNames: manifest.features,
    tolerance: manifest.tolerance ?? 0,
    lines,
    expected,
  }
}

/** The same without what models say: only outcomes and features are checked. */
export function unscored(golden: Golden): Golden {
  const expected = golden.expected.map(({ outcome, features, partition }): Answer => {
    return { outcome, ...(features && { features, ...(partition !== undefined && { partition }) }) }
  })
  return { ...golden, expected }
}

/** Its first lines, with their answers. */
export function firstLines(golden: Golden, count?: number): Golden {
  const { lines, expected } = golden
  return { ...golden, lines: lines.slice(0, count), expected: expected.slice(0, count) }
}

/**
 * The first 20 differences from the expected answers, each with its line and feature. `actual[n]`
 * answers line n. Features must be equal bit for bit as float32 (NaN equals NaN), or within the
 * folder's tolerance; a probability within 1e-6.
 */
export function compareGolden(golden: Golden, actual: readonly (Answer | undefined)[]): string[] {
  const differences: string[] = []
  for (let line = 0; line < Math.max(golden.expected.length, actual.length); line++) {
    const wanted = golden.expected[line]
    const got = actual[line]
    if (wanted === undefined) differences.push(`line ${line}: an answer to no line`)
    else if (got === undefined) differences.push(`line ${line}: no answer`)
    else {
      const found = compareAnswer(wanted, got, golden)
      differences.push(...found.map((difference) => `line ${line}: ${difference}`))
    }
    if (differences.length >= MOST_DIFFERENCES) break
  }
  return differences.slice(0, MOST_DIFFERENCES)
}

function compareAnswer(wanted: Answer, got: Answer, golden: Golden): string[] {
  if (got.outcome !== wanted.outcome) return [`${got.outcome}, not ${wanted.outcome}`]
  const differences = SAME.flatMap((name) =>
    wanted[name] === undefined || got[name] === wanted[name]
      ? []
      : [`${name} ${got[name]}, not ${wanted[name]}`],
  )
  if (wanted.features !== undefined) {
    differences.push(...compareFeatures(wanted.features, got.features ?? [], golden))
  }
  if (wanted.probability !== undefined) {
    const { probability = Number.NaN } = got
    if (!(Math.abs(probability - wanted.probability) <= PROBABILITY_TOLERANCE)) {
      differences.push(`probability ${probability}, not ${wanted.probability}`)
    }
  }
  return differences
}

function compareFeatures(
  wanted: ArrayLike<number>,
  got: ArrayLike<number>,
  { featureNames: names, tolerance }: Golden,
): string[] {
  if (got.length !== wanted.length) return [`${got.length} features, not ${wanted.length}`]
  return names.flatMap((name, i) =>
    isNear(Math.fround(got[i] ?? Number.NaN), wanted[i] as number, tolerance)
      ? []
      : [`${name} is ${got[i]}, not ${wanted[i]}`],
  )
}

function isNear(got: number, wanted: number, tolerance: number): boolean {
  return Object.is(got, wanted) || Math.abs(got - wanted) <= tolerance * Math.abs(wanted)
}

function readAnswer(text: string, index: number): Answer {
  const { line, outcome, features, ...others } = JSON.parse(text) as ExpectedLine
  if (line !== index) throw new Error(`answer ${index} is to line ${line}`)
  return {
    outcome: outcome === 'landed' ? 'skipped' : outcome,
    ...(features && { features: features.map((f) => Math.fround(f ?? Number.NaN)) }),
    ...others,
  }
}

function splitLine(line: string, manifest: Manifest): { key: string; value: string } {
  if (manifest.format === 'tsv') {
    const tab = line.indexOf('\t')
    return { key: line.slice(0, tab), value: line.slice(tab + 1) }
  }
  const event = JSON.parse(line) as Record<string, unknown>
  return { key: String(event[manifest.key ?? '']), value: line }
}

function linesOf(file: string): string[] {
  const bytes = readFileSync(file)
  const text = (file.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8')
  return text.replace(/\n$/, '').split('\n')
}

function partitioner(partitions: number): (key: string) => number {
  const choose = Partitioners.DefaultPartitioner()
  const partitionMetadata = Array.from({ length: partitions }, (_, partitionId) => ({
    partitionErrorCode: 0,
    partitionId,
    leader: 0,
    replicas: [],
    isr: [],
  }))
  return (key) => choose({ topic: '', partitionMetadata, message: { key, value: null } })
}

import { TidemarkError } from '../kernel/errors.ts'
import type { ModelDefinition } from '../topology/models.ts'
import type { Golden } from './golden.ts'
import type { Runner } from './runner.ts'
import { scoreColumns } from './score-columns.ts'

// Checks whether a model returns the outputs of its golden rows.

/** How many golden rows are run at once, if a row's scores do not depend on the other rows. */
const BATCH = 256
/** A difference below this is rounding, however small the scores are. */
const LEAST_TOLERANCE = 1e-9

/** What a golden file is checked against. */
export interface GoldenCheck {
  readonly model: ModelDefinition
  /**
   * Of the model file; `null`: it is known to be the wrong file, and the golden rows do not report
   * that again.
   */
  readonly sha256: string | null
  readonly where: string
}

/** Checks, without running the model, that the golden rows belong to it. */
export function goldenFaults(golden: Golden, check: GoldenCheck): TidemarkError[] {
  const { model, sha256 } = check
  const faults: TidemarkError[] = []
  const difference = firstDifference(golden.features, model.features)
  if (difference !== null) {
    faults.push(
      fault(
        check,
        `their features are not the model's: ${difference}`,
        'names and order decide which number the model reads: write both with `tidemark model types`',
      ),
    )
  }
  if (golden.sha256 !== null && sha256 !== null && golden.sha256 !== sha256) {
    const message = `they are of a model file with sha256 ${golden.sha256.slice(0, 12)}, this one has ${sha256.slice(0, 12)}`
    faults.push(fault(check, message, 'ship a model together with its own golden file'))
  }
  const compared = comparedScores(golden, model)
  if (compared.length === 0 && golden.outputs.of === 'tensor') {
    const tensors = new Set(scoreColumns(model.outputs).map((c) => c.tensor))
    faults.push(
      fault(
        check,
        `their output "${golden.outputs.tensor}" is none of the tensors declared: ${[...tensors].join(', ')}`,
        'name the tensor as "output" in the golden file',
      ),
    )
  }
  for (const { what, wanted } of compared) {
    const short = golden.outputs.rows.findIndex((_, row) => wanted(row) === undefined)
    if (short < 0) continue
    const hint = 'write whole rows of the tensor, or every score of a row under its name'
    faults.push(fault(check, `row ${short} of the outputs has no ${what}`, hint))
  }
  return faults
}

/** A runner and how many rows it gets at once. */
export interface GoldenRuns {
  readonly runner: Runner
  /** @default 256 */
  readonly atMost?: number
}

/** Runs all golden rows and compares the outputs. They must have no {@link goldenFaults}. */
export async function goldenDifferences(
  golden: Golden,
  { runner, atMost = BATCH }: GoldenRuns,
  check: GoldenCheck,
): Promise<TidemarkError[]> {
  const compared = comparedScores(golden, check.model)
  const batch = Math.min(atMost, BATCH)
  const { rows, count, features } = golden
  const width = features.length
  const wrong: string[] = []
  for (let from = 0; from < count; from += batch) {
    const to = Math.min(from + batch, count)
    const scores = await runner.run(rows.subarray(from * width, to * width), to - from)
    for (let row = from; row < to; row++) {
      for (const { name, index, wanted, largest } of compared) {
        const got = scores[index]?.[row - from] as number
        const expected = wanted(row) as number
        if (!isClose(got, expected, golden.tolerance * (Math.abs(expected) + largest)))
          wrong.push(`row ${row} gives ${name} = ${got}, golden is ${expected}`)
      }
    }
  }
  if (wrong.length === 0) return []
  const message = `${wrong.length} of ${count * compared.length} outputs differ by more than ${golden.tolerance} of their size; ${wrong[0]}`
  return [
    fault(
      check,
      message,
      'is it another model, or are features or outputs in another order? compare with the runtime that wrote the golden file',
    ),
  ]
}

/**
 * Compares as float32, which most models return: either side may have been shortened to fewer
 * decimal digits.
 */
function isClose(got: number, expected: number, tolerance: number): boolean {
  const [a, b] = [Math.fround(got), Math.fround(expected)]
  return Object.is(a, b) || Math.abs(a - b) <= Math.max(tolerance, LEAST_TOLERANCE)
}

function fault({ model, where }: GoldenCheck, message: string, hint: string): TidemarkError {
  return new TidemarkError(
    'MODEL_GOLDEN',
    `golden rows of ${model.name}@${model.version}: ${message}`,
    { where, hint },
  )
}

/** A score that the golden outputs contain. */
interface ComparedScore {
  readonly name: string
  /** Its position in the model's `scoreColumns`. */
  readonly index: number
  /** For the reader: what a golden row must have. */
  readonly what: string
  /** The golden output of a row; `undefined`: the file has none. */
  readonly wanted: (row: number) => number | undefined
  /** Largest absolute golden output: the scale of the tolerance for scores around 0. */
  readonly largest: number
}

function comparedScores(golden: Golden, model: ModelDefinition): ComparedScore[] {
  return wantedScores(golden, model).map((score) => {
    const all = Array.from({ length: golden.count }, (_, row) => Math.abs(score.wanted(row) ?? 0))
    return { ...score, largest: Math.max(...all.filter(Number.isFinite), 0) }
  })
}

function wantedScores({ outputs }: Golden, model: ModelDefinition): WantedScore[] {
  const declared = scoreColumns(model.outputs)
  if (outputs.of === 'scores') {
    return declared.map(({ name }, index) => {
      return { name, index, what: `"${name}"`, wanted: (row) => outputs.rows[row]?.get(name) }
    })
  }
  const only = new Set(declared.map((c) => c.tensor)).size === 1 ? declared[0]?.tensor : undefined
  return declared.flatMap(({ name, tensor, column }, index): WantedScore[] => {
    if (tensor !== (outputs.tensor ?? only)) return []
    const what = `column ${column}, which "${name}" is`
    return [{ name, index, what, wanted: (row) => outputs.rows[row]?.[column] }]
  })
}

type WantedScore = Omit<ComparedScore, 'largest'>

function firstDifference(golden: readonly string[], model: readonly string[]): string | null {
  for (let i = 0; i < Math.max(golden.length, model.length); i++) {
    if (golden[i] !== model[i]) {
      return `the first difference is at ${i + 1}, "${golden[i] ?? 'nothing'}" instead of "${model[i] ?? 'nothing'}"`
    }
  }
  return null
}

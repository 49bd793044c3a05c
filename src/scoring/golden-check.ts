import { TidemarkError } from '../kernel/errors.ts'
import type { ModelDefinition } from '../topology/definition.ts'
import type { Golden } from './golden.ts'
import type { Runner } from './runner.ts'
import { scoreColumns } from './score-columns.ts'

// Does a model give what its golden rows say?

/** Rows that are run at once, where a row's scores do not depend on the others. */
const BATCH = 256
/** However small the scores, a difference below this is rounding. */
const LEAST_TOLERANCE = 1e-9

/** What a golden file is checked against. */
export interface GoldenCheck {
  readonly model: ModelDefinition
  /**
   * Of the model file; `null`: it is the wrong file, and the golden rows need not say so once more.
   */
  readonly sha256: string | null
  readonly where: string
}

/** Whether the golden rows are of this model at all, before anything is run. */
export function goldenFaults(golden: Golden, check: GoldenCheck): TidemarkError[] {
  const { model, sha256 } = check
  const faults: TidemarkError[] = []
  const difference = firstDifference(golden.features, model.features)
  if (difference !== null) {
    faults.push(
      fault(
        check,
        `its features are not the model's: ${difference}`,
        'names and order decide which number the model reads: write both with `tidemark model types`',
      ),
    )
  }
  if (golden.sha256 !== null && sha256 !== null && golden.sha256 !== sha256) {
    const message = `it is of a file with sha256 ${golden.sha256.slice(0, 12)}, this one has ${sha256.slice(0, 12)}`
    faults.push(fault(check, message, 'ship a model together with its own golden file'))
  }
  const compared = comparedScores(golden, model)
  if (compared.length === 0 && golden.outputs.of === 'tensor') {
    const tensors = new Set(scoreColumns(model.outputs).map((c) => c.tensor))
    faults.push(
      fault(
        check,
        `its output "${golden.outputs.tensor}" is none of the tensors declared: ${[...tensors].join(', ')}`,
        'name the tensor as "output" in the golden file',
      ),
    )
  }
  for (const { what, wanted } of compared) {
    const short = golden.outputs.rows.findIndex((_, row) => wanted(row) === undefined)
    if (short < 0) continue
    const hint = 'write whole rows of the tensor, or all scores of a row by their names'
    faults.push(fault(check, `row ${short} of its outputs has no ${what}`, hint))
  }
  return faults
}

/** A runner and how many rows it is given at once. */
export interface GoldenRuns {
  readonly runner: Runner
  /** @default 256 */
  readonly atMost?: number
}

/** Runs the golden rows, which have no {@link goldenFaults}, all of them. */
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
      'another model, or features or outputs in another order? compare with the runtime that wrote the golden file',
    ),
  ]
}

/** As float32, which most models give: its decimal may have been shortened, here or there. */
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

/** A score that the golden outputs speak of. */
interface ComparedScore {
  readonly name: string
  /** Among the model's `scoreColumns`. */
  readonly index: number
  /** For the reader: what a golden row must have. */
  readonly what: string
  /** What a row gave; `undefined`: it does not say. */
  readonly wanted: (row: number) => number | undefined
  /** The size of the largest number that is wanted: of scores around 0 it says what is much. */
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
      return `the first difference is at ${i + 1}, "${golden[i] ?? 'nothing'}" for "${model[i] ?? 'nothing'}"`
    }
  }
  return null
}

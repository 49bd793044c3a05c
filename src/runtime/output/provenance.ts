import { createHash } from 'node:crypto'
import type { Header } from '../../connect/port.ts'
import { describe, type TableDescription } from '../../engine/describe.ts'
import type { ScoredBy } from '../../formats/json/known-values.ts'
import { type Scorer, versionOf } from '../../scoring/scorer.ts'
import type { Decision } from '../../scoring/step-models.ts'
import type { StepScorer } from '../../scoring/step-scorer.ts'
import type { Definition } from '../../topology/definition.ts'
import { formOf } from '../../topology/function-form.ts'
import { scoreStepsOf, withoutShadows } from '../../topology/graph.ts'
import type { PreparedTable } from '../prepared.ts'

// The provenance of an output, for its consumers.

/** The output's id, unique per output: consumers deduplicate by it. */
export const ID_HEADER = 'tidemark-id'
/**
 * Which topology and models produced the output; the worker's log says what the hash stands for.
 */
export const BY_HEADER = 'tidemark-by'
/**
 * When it was scored, ms since the epoch; the only part of an output that differs when it is
 * produced again.
 */
export const SCORED_AT_HEADER = 'tidemark-scored-at'
/**
 * Which rows of its tables an output was made with: each table's name and, of a topic, the offset
 * up to which each partition was read, of a file its hash.
 */
export const TABLES_HEADER = 'tidemark-tables'
/** Which model scored an output: `name@version+`, and the first 8 hex digits of its SHA-256. */
export const MODEL_HEADER = 'tidemark-model'
/** Why that model: as in `s.route`. */
const ROUTE_HEADER = 'tidemark-route'
/** On outputs that the wall clock has decided about, their model or a row: a replay may differ. */
export const BY_CLOCK_HEADER = header('tidemark-by-clock', 'true')
/** On outputs whose windows may lack events that are no longer in the log. */
export const WARMING_HEADER = 'tidemark-warming'
/**
 * On the output of an event behind the watermark: events more than the longest window before the
 * watermark were already evicted, so its windows may lack some.
 */
export const LATE_HEADER = header('tidemark-late', 'true')

/** Which stores did not give a row to an output, and why: `profiles=deadline`. */
const DEGRADED_HEADER = 'tidemark-degraded'

/** Marks that some outputs of a chunk have and others have not. */
export interface Marks {
  /** Whether its event was behind the watermark. */
  readonly isLate: boolean
  /** `null`: stores gave all rows that it looks up. */
  readonly degraded: string | null
}

/** The headers about a decision, and about what sets an output apart. */
export function markedHeaders(decided: readonly Header[], { isLate, degraded }: Marks) {
  const late = isLate ? [...decided, LATE_HEADER] : decided
  if (degraded === null) return late
  const reason = header(DEGRADED_HEADER, degraded)
  return [...late, reason, ...(late.includes(BY_CLOCK_HEADER) ? [] : [BY_CLOCK_HEADER])]
}

/**
 * A hash, as 12 hex digits, of what determines an output: the topology as its author wrote it, the
 * bytes of its models, and what computes them. How a loader prints a function does not count, nor
 * where a file is, nor a shadow. Nor does it depend on which variant scores, or can be loaded on
 * this machine: that is in the header of the model.
 */
export function definitionHash(
  definition: Definition,
  scorers: ReadonlyMap<string, Pick<StepScorer, 'scorers'>>,
): string {
  const { tables, stores = [], ...description } = describe(withoutShadows(definition), formOf)
  const chosen = scoreStepsOf(definition.then)
    .filter(({ variants }) => variants !== null)
    .map(({ name }) => name)
  const fixed = [...scorers].filter(([step]) => !chosen.includes(step))
  const models = fixed.flatMap(([step, { scorers: all }]) =>
    [...all.values()].map(({ label, sha256, evaluator }) => {
      const computed = [step, label, sha256, evaluator.by]
      const isElsewhere = evaluator.by === 'onnxruntime' && evaluator.provider !== 'cpu'
      return isElsewhere ? [...computed, evaluator.provider] : computed
    }),
  )
  // How long rows are kept is no part of it.
  const kept = ['freshMs', 'staleMs', 'maxEntries', 'deadlineMs', 'writeBackMs']
  const outside = stores.map((store) => Object.entries(store).filter(([o]) => !kept.includes(o)))
  const parts = [description, tables.map(definingOf), models]
  const text = JSON.stringify(outside.length === 0 ? parts : [...parts, outside])
  return createHash('sha256').update(text).digest('hex').slice(0, 12)
}

/** The parts of a table, besides its rows, that determine an output. */
function definingOf({ name, key, asOf }: TableDescription): unknown[] {
  return asOf === undefined ? [name, key] : [name, key, asOf]
}

/** The headers of an output that say what was decided about it. */
export function decisionHeaders({ route, scorer, byClock }: Decision): readonly Header[] {
  const headers = [modelHeader(scorer), header(ROUTE_HEADER, route)]
  return byClock ? [...headers, BY_CLOCK_HEADER] : headers
}

/** The same of a reused score: the model as its row says. */
export function scoredByHeaders({ label, route }: ScoredBy): readonly Header[] {
  return [header(MODEL_HEADER, label), header(ROUTE_HEADER, route)]
}

/** The header of an output that says which model has scored it. */
export function modelHeader(scorer: Scorer): Header {
  const version = versionOf(scorer)
  const hash = `+${scorer.sha256.slice(0, 8)}`
  // The version ends in the hash already where the operator chose the file.
  const whole = version.endsWith(hash) ? version : `${version}${hash}`
  return header(MODEL_HEADER, `${scorer.name}@${whole}`)
}

/** The headers that all outputs of a chunk share. */
export function chunkHeaders(by: string, scoredAtMs: number, isWarming = false): readonly Header[] {
  const headers = [header(BY_HEADER, by), header(SCORED_AT_HEADER, String(scoredAtMs))]
  return isWarming ? [...headers, header(WARMING_HEADER, 'true')] : headers
}

/** The header about the tables of a topology, as they are now; none if there are no tables. */
export function tablesHeaders(tables: readonly PreparedTable[]): readonly Header[] {
  if (tables.length === 0) return []
  const text = tables.map(({ table }) => `${table.name}=${table.contents}`).join(';')
  return [header(TABLES_HEADER, text)]
}

export function header(name: string, text: string): Header {
  return { name, value: Buffer.from(text) }
}

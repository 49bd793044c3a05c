import { createHash } from 'node:crypto'
import { describe } from '../engine/describe.ts'
import type { Header } from '../records/port.ts'
import type { Scorer } from '../scoring/scorer.ts'
import type { Definition } from '../topology/definition.ts'
import { formOf } from '../topology/function-form.ts'

// Where an output comes from, for those who read it.

/** Unique per output: what a consumer deduplicates by. */
export const ID_HEADER = 'tidemark-id'
/** Which topology and models made it; the worker's log says what the hash stands for. */
const BY_HEADER = 'tidemark-by'
/**
 * When it was scored, ms since the epoch; the one part of an output that differs when it is made
 * again.
 */
const SCORED_AT_HEADER = 'tidemark-scored-at'
/** On outputs whose windows may lack events that are no longer in the log. */
const WARMING_HEADER = 'tidemark-warming'
/**
 * On the output of an event that came behind the watermark: windows that lay further back than it
 * were let go.
 */
export const LATE_HEADER: Header = { name: 'tidemark-late', value: Buffer.from('true') }

/**
 * 12 hex digits over what decides an output: the topology as its author wrote it, the bytes of its
 * models, and who computes them. How a loader prints a function does not count, nor where a file
 * lies.
 */
export function definitionHash(
  definition: Definition,
  scorers: ReadonlyMap<string, Scorer>,
): string {
  const { tables, ...description } = describe(definition, formOf)
  const models = [...scorers].map(([step, { label, sha256, evaluator }]) => {
    return [step, label, sha256, evaluator.by]
  })
  const text = JSON.stringify([description, tables.map((t) => [t.name, t.key]), models])
  return createHash('sha256').update(text).digest('hex').slice(0, 12)
}

/** The headers that all outputs of a chunk share. */
export function chunkHeaders(by: string, scoredAtMs: number, isWarming = false): readonly Header[] {
  const headers = [
    { name: BY_HEADER, value: Buffer.from(by) },
    { name: SCORED_AT_HEADER, value: Buffer.from(String(scoredAtMs)) },
  ]
  return isWarming ? [...headers, { name: WARMING_HEADER, value: Buffer.from('true') }] : headers
}

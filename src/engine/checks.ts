import { TidemarkError } from '../kernel/errors.ts'
import { formatDuration } from '../kernel/time.ts'
import type { Definition, SourceDefinition, TableDefinition } from '../topology/definition.ts'
import { outputTopics, sinksOf } from '../topology/graph.ts'
import {
  isReservedHeader,
  type KeyMismatch,
  type OnLate,
  type OnTombstone,
} from '../topology/source.ts'
import { checkFunction, type ReportFault, type ReportFieldFault } from './operators/rule.ts'
import { horizonOf, planOf } from './plan.ts'

// Checks what types cannot express, and what types would have found: a topology may run without
// having been compiled. All faults are reported at once, before anything is read.

const NAME = /^[a-zA-Z0-9._-]{1,200}$/
const ON_LATE: readonly OnLate[] = ['dead-letter', 'drop', 'score']
const ON_TOMBSTONE: readonly Extract<OnTombstone, string>[] = ['dead-letter', 'skip']
const KEY_MISMATCH: readonly KeyMismatch[] = ['warn', 'dead-letter', 'allow']
const PARTITIONERS: readonly NonNullable<SourceDefinition['partitioner']>[] = [
  'murmur2',
  'crc32',
  'unknown',
]

/** The faults of a topology, with codes `TOPOLOGY_INVALID` and `NOT_SUPPORTED`. */
export function validateTopology(definition: Definition): TidemarkError[] {
  const faults: TidemarkError[] = []
  const report: ReportFault = (where, what, { code = 'TOPOLOGY_INVALID', ...hint } = {}) =>
    faults.push(new TidemarkError(code, what, { where: `${definition.name}/${where}`, ...hint }))
  if (!NAME.test(definition.name)) {
    report('', `name "${definition.name}" must match ${NAME}`)
  }
  checkSource(definition, report)
  checkHeaders(definition, report)
  checkTopics(definition, report)
  checkTables(definition, report)
  for (const { step, rule, place } of planOf(definition)) rule.check?.(step, place, report)
  return faults
}

function checkSource({ source }: Definition, report: ReportFault): void {
  const { format, key, eventTimeMs, onTombstone, onLate, keyMismatch, partitioner } = source
  const tell: ReportFieldFault = (what) => report(source.topic, what)
  const checkWord = (name: string, word: string, wanted: string, words: readonly string[]) => {
    if (!words.includes(word)) tell(`${name} "${word}" must be ${wanted} ${words.join(', ')}`)
  }
  if (format.is === 'decode') checkFunction('decode', format.decode, 'of the record', tell)
  checkFunction('key', key, 'of the event', tell)
  if (eventTimeMs !== 'record') {
    checkFunction('eventTimeMs', eventTimeMs, 'of the event or "record"', tell)
  }
  if (typeof onTombstone !== 'function') {
    checkWord('onTombstone', onTombstone, 'a function or one of', ON_TOMBSTONE)
  }
  checkSchema(source, tell)
  const { lagMs, idleAfterMs, maxAheadMs } = source.watermark
  if (!(lagMs >= 0)) tell(`watermark.lag must be a duration of 0 ms or more, got ${lagMs}`)
  if (maxAheadMs !== 'none' && !(maxAheadMs >= 0)) {
    tell(`watermark.maxAhead must be a duration of 0 ms or more, or 'none', got ${maxAheadMs}`)
  }
  checkWord('onLate', onLate, 'one of', ON_LATE)
  checkWord('keyMismatch', keyMismatch, 'one of', KEY_MISMATCH)
  if (partitioner !== null) checkWord('partitioner', partitioner, 'one of', PARTITIONERS)
  if (partitioner === 'unknown' && keyMismatch === 'dead-letter') {
    tell(`keyMismatch "dead-letter" needs a known partitioner, got "unknown"`)
  }
  if (idleAfterMs !== null && !(idleAfterMs > 0)) {
    tell(`watermark.idleAfter ${idleAfterMs} must be more than 0`)
  }
}

function checkSchema({ schema }: SourceDefinition | TableDefinition, tell: ReportFieldFault): void {
  if (typeof schema?.['~standard']?.validate === 'function') return
  tell('schema must be a Standard Schema (zod, valibot, arktype, …)')
}

function checkHeaders({ source }: Definition, report: ReportFault): void {
  const { topic, passHeaders = [] } = source
  for (const name of passHeaders) {
    if (typeof name !== 'string' || name === '') {
      report(topic, `passHeaders must be names, got ${JSON.stringify(name)}`)
    } else if (isReservedHeader(name)) {
      report(topic, `passHeaders "${name}" is a name that only Tidemark writes`)
    }
  }
}

function checkTopics(definition: Definition, report: ReportFault): void {
  const { source, deadLetterTopic } = definition
  const topics = new Set([source.topic, ...outputTopics(definition)])
  for (const topic of topics) {
    if (!NAME.test(topic)) report(topic, `topic "${topic}" must match ${NAME}`)
  }
  for (const { topic, name } of sinksOf(definition.then)) {
    if (topic === source.topic) {
      report(name, `sink "${topic}" is the source: its outputs would come back as events`)
    }
    if (topic === deadLetterTopic) report(name, `sink "${topic}" is the dead-letter topic`)
  }
  if (deadLetterTopic === source.topic) {
    report(source.topic, 'the dead-letter topic is the source: dead letters would come back')
  }
}

function checkTables({ tables }: Definition, report: ReportFault): void {
  for (const [i, table] of tables.entries()) {
    const { name } = table
    if (tables.findIndex((other) => other.name === name) < i) {
      report(name, `two tables are named "${name}"`)
    }
    checkTable(table, (what, o) => report(name, what, o))
  }
}

function checkTable(table: TableDefinition, tell: ReportFieldFault): void {
  const { name, format, key, asOf, from } = table
  if (!NAME.test(name)) tell(`table "${name}" must match ${NAME}`)
  checkSchema(table, tell)
  const canRead = format.is === 'json' || (format.is === 'registry' && from.topic !== undefined)
  if (!canRead) {
    const hint = 'give a schema, or for a topic registry(schema)'
    tell(`a table cannot be read as ${format.is}`, { code: 'NOT_SUPPORTED', hint })
  }
  if (from.topic !== undefined && !NAME.test(from.topic)) {
    tell(`topic "${from.topic}" must match ${NAME}`)
  }
  if (key !== null || from.topic === undefined) checkFunction('key', key, 'of the row', tell)
  if (asOf !== null) checkFunction('asOf', asOf, 'of the row', tell)
}

/** Notes on restarts of a topology, for `check` and for a worker's start. */
export function restartNotes(definition: Definition): string[] {
  const { unbounded } = horizonOf(definition)
  const notes: string[] = []
  if (unbounded.length > 0) {
    notes.push(
      `${definition.name}: ${unbounded.join(', ')} ${unbounded.length === 1 ? 'remembers' : 'remember'} keys for ever: ` +
        'a restart reads each partition from the start of its log',
    )
  }
  const { idleAfterMs } = definition.source.watermark
  if (idleAfterMs !== null) {
    notes.push(
      `${definition.name}: idleAfter ${formatDuration(idleAfterMs)} uses the wall clock: ` +
        'after a restart, which events are late and what a window holds may differ from an uninterrupted run',
    )
  }
  return notes
}

/** Notes on models that score no event. */
export function routeNotes(definition: Definition): string[] {
  return planOf(definition)
    .flatMap(({ step, rule }) => rule.notes?.(step) ?? [])
    .map((note) => `${definition.name}: ${note}`)
}

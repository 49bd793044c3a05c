import { TidemarkError } from '../kernel/errors.ts'
import type { Partitioner } from '../kernel/kafka.ts'
import { formatDuration } from '../kernel/time.ts'
import type { Definition, StoreDefinition, TableDefinition } from '../topology/definition.ts'
import { outputTopics, sinksOf, systemSinks } from '../topology/graph.ts'
import {
  isReservedHeader,
  type KeyMismatch,
  type OnLate,
  type OnTombstone,
} from '../topology/source.ts'
import { checkFunction, type ReportFault, type ReportFieldFault } from './operators/rule.ts'
import { horizonOf, planOf } from './plan.ts'

// Checks of faults that types cannot express, or would have found: a topology may run without
// having been compiled. All faults are reported at once, before anything is read.

const NAME = /^[a-zA-Z0-9._-]{1,200}$/
const ON_LATE: readonly OnLate[] = ['dead-letter', 'drop', 'score']
const ON_TOMBSTONE: readonly Extract<OnTombstone, string>[] = ['dead-letter', 'skip']
const KEY_MISMATCH: readonly KeyMismatch[] = ['warn', 'dead-letter', 'allow']
const PARTITIONERS: readonly (Partitioner | 'unknown')[] = ['murmur2', 'crc32', 'unknown']

/** The faults of a topology, with codes `TOPOLOGY_INVALID` and `NOT_SUPPORTED`. */
export function validateTopology(definition: Definition): TidemarkError[] {
  const faults: TidemarkError[] = []
  const report: ReportFault = (where, message, { code = 'TOPOLOGY_INVALID', ...hint } = {}) =>
    faults.push(new TidemarkError(code, message, { where: `${definition.name}/${where}`, ...hint }))
  if (!NAME.test(definition.name)) {
    report('', `name "${definition.name}" must match ${NAME}`)
  }
  checkSource(definition, report)
  checkHeaders(definition, report)
  checkTopics(definition, report)
  checkTables(definition, report)
  for (const store of definition.stores) {
    checkStore(store, (message, o) => report(store.name, message, o))
  }
  for (const { step, rule, place } of planOf(definition)) rule.check?.(step, place, report)
  return faults
}

function checkSource({ source }: Definition, report: ReportFault): void {
  const { format, key, eventTimeMs, onTombstone, onLate, keyMismatch, partitioner } = source
  const tell: ReportFieldFault = (message) => report(source.topic, message)
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

function checkSchema({ schema }: Pick<TableDefinition, 'schema'>, tell: ReportFieldFault): void {
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
  const outside = new Set(systemSinks(definition).map(({ topic }) => topic))
  for (const { topic, name } of sinksOf(definition.then)) {
    if (topic === source.topic) {
      report(name, `sink "${topic}" is the source: its outputs would come back as events`)
    }
    if (outside.has(topic) && outputTopics(definition).includes(topic)) {
      report(name, `a topic and a sink in another system are named "${topic}"`)
    }
    if (topic === deadLetterTopic) report(name, `sink "${topic}" is the dead-letter topic`)
  }
  if (deadLetterTopic === source.topic) {
    report(source.topic, 'the dead-letter topic is the source: dead letters would come back')
  }
}

function checkTables({ tables, stores }: Definition, report: ReportFault): void {
  const names = [...tables, ...stores].map(({ name }) => name)
  for (const name of new Set(names.filter((each, i) => names.indexOf(each) < i))) {
    report(name, `two tables or stores are named "${name}"`)
  }
  for (const table of tables) checkTable(table, (message, o) => report(table.name, message, o))
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

function checkStore(store: StoreDefinition, tell: ReportFieldFault): void {
  const { name, schema, from, maxEntries, maxAgeMs, at, onMiss, writeBackMs, fallback } = store
  if (!NAME.test(name)) tell(`store "${name}" must match ${NAME}`)
  checkSchema({ schema }, tell)
  const checkTime = (time: string, ms: number, { above }: { above?: 0 } = {}) => {
    if (ms >= 0 && ms !== above) return
    tell(`${time} must be a duration ${above === 0 ? 'above 0 ms' : 'of 0 ms or more'}, got ${ms}`)
  }
  checkTime('fresh', store.freshMs)
  checkTime('stale', store.staleMs)
  checkTime('deadline', store.deadlineMs, { above: 0 })
  checkTime('maxAge', maxAgeMs, { above: 0 })
  if (writeBackMs !== null) checkTime('writeBack.ttl', writeBackMs, { above: 0 })
  if (!Number.isSafeInteger(maxEntries) || maxEntries < 1) {
    tell(`maxEntries must be a whole number from 1, got ${maxEntries}`)
  }
  if (at !== null) checkFunction('at', at, 'of the row', tell)
  else if (maxAgeMs !== Number.POSITIVE_INFINITY) {
    tell('maxAge needs at', { hint: 'say when a row was made: at: (row) => row.updatedAtMs' })
  }
  if (onMiss !== null) checkFunction('onMiss', onMiss, 'of the key', tell)
  else if (writeBackMs !== null) tell('writeBack needs onMiss: there is nothing else to write')
  if (fallback !== null && typeof fallback !== 'object') {
    tell(`fallback must be a row, got ${typeof fallback}`)
  }
  if (!('connector' in from)) {
    checkFunction('getMany', from.getMany, 'of the keys', tell)
    if (writeBackMs !== null) checkFunction('setMany', from.setMany, 'of the rows', tell)
    return
  }
  const { key, fields } = from.options
  checkFunction(`${from.connector} key`, key, 'of the key', tell)
  if (fields === undefined) return
  const areNames = Array.isArray(fields) && fields.every((f) => typeof f === 'string' && f !== '')
  if (!areNames || fields.length === 0) return tell('fields must be names')
  const twice = fields.filter((field, i) => fields.indexOf(field) < i)
  if (twice.length > 0) tell(`fields has ${twice.join(', ')} twice`)
}

/** Notes on settings that are allowed but may surprise, for `check` and for a worker's start. */
export function topologyNotes(definition: Definition): string[] {
  const { name, source, stores } = definition
  const notes: string[] = []
  const { unbounded } = horizonOf(definition)
  if (unbounded.length > 0) {
    notes.push(
      `${unbounded.join(', ')} ${unbounded.length === 1 ? 'remembers' : 'remember'} keys for ever: ` +
        'a restart reads each partition from the start of its log',
    )
  }
  const { idleAfterMs } = source.watermark
  if (idleAfterMs !== null) {
    notes.push(
      `idleAfter ${formatDuration(idleAfterMs)} uses the wall clock: ` +
        'after a restart, which events are late and what a window holds may differ from an uninterrupted run',
    )
  }
  notes.push(...planOf(definition).flatMap(({ step, rule }) => rule.notes?.(step) ?? []))
  if (stores.length > 0) {
    const all = stores.map((store) => store.name).join(', ')
    notes.push(`rows of ${all} are as the store has them now: a replay may give other outputs`)
  }
  return notes.map((note) => `${name}: ${note}`)
}

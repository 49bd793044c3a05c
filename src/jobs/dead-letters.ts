import type { ReadOptions } from '../connect/kafka/reader.ts'
import type { Followed, LogPoint, LogRecord } from '../connect/port.ts'
import { configFault } from '../kernel/errors.ts'
import { shortened } from '../kernel/wording.ts'
import { reasonOf } from '../runtime/output/dead-letter.ts'
import type { Definition } from '../topology/definition.ts'
import type { ShowRecords } from './shown-records.ts'

// The dead letters of a topology, read outside of any group. Whoever may write to their topic can
// send anything there, so what is kept of letters is bounded, and their words are only text.

const NO_TIME = 'none'
const MOST_GROUPS = 10_000
const MOST_SHOWN = 100
const HOUR_LENGTH = 'yyyy-mm-ddThh'.length
/** The last ms of the year 9999. */
const LAST_TIME_MS = 253_402_300_799_999

export interface LettersJob {
  /** Reads a topic of the log. */
  readonly read: (options: ReadOptions) => Promise<Followed>
  readonly definition: Pick<Definition, 'name' | 'source' | 'deadLetterTopic'>
}

export interface LetterPosition {
  readonly partition: number
  readonly offset: number
}

/** Records that have some words in common. */
export interface LetterGroup {
  readonly words: Readonly<Record<string, string>>
  letters: number
  /** By the timestamp, `none` if it is not of the years 1970 to 9999. */
  oldest: LetterPosition & { readonly time: string }
}

/**
 * Counts the dead letters that are there now, by their reasons and by hour (UTC), and by the cause
 * all other records of their topic.
 * @throws TidemarkError `TOPIC_MISSING`, `AUTHORIZATION`, `AUTHENTICATION`, `BROKER_UNAVAILABLE`
 */
export async function countLetters(job: LettersJob, from: LogPoint) {
  const [reasons, hours, others] = [new Groups(), new Groups(), new Groups()]
  let letters = 0
  for await (const { partition, records, packed } of await open(job, from)) {
    if (packed) others.add({ why: packed.error.message }, { ...packed, partition, time: NO_TIME })
    for (const record of records) {
      const { why, code, step, kind } = letterOf(record, job)
      const place = placeOf(record, partition)
      if (why === null) {
        letters++
        reasons.add({ code, step, kind }, place)
        hours.add({ hour: place.time.slice(0, HOUR_LENGTH) }, place)
      } else others.add({ why }, place)
    }
  }
  const { deadLetterTopic: topic, name: topology } = job.definition
  const groups = { reasons: reasons.all, hours: hours.all, others: others.all }
  return { topic, topology, letters, ...groups }
}

/**
 * Reads one record of the dead-letter topic, whoever has written it.
 * @param show makes values that have a schema JSON
 * @throws TidemarkError as {@link countLetters} · `CONFIG_INVALID`: it is not there ·
 * `BATCH_TOO_LARGE`: its batch unpacks to more than is allowed · `REGISTRY_UNAVAILABLE`
 */
export async function readLetter(job: LettersJob, at: LetterPosition, show: ShowRecords) {
  const { partition, offset } = at
  const { deadLetterTopic: topic } = job.definition
  const where = `${partition}/${offset}`
  const reader = await open(job, 'earliest')
  await reader.close()
  const { ranges } = reader
  const { nextOffset: low = 0, endOffset: end = 0 } = ranges.get(partition) ?? {}
  const hint = `partition ${partition} of ${ranges.size} has ${end - low} offsets, from ${low} on`
  if (offset < low || offset >= end) {
    const why = offset < low ? 'retention has deleted it' : 'it would be beyond the end'
    throw configFault(`"${topic}" does not have this record: ${why}`, where, hint)
  }
  const offsets = new Map([...ranges].map(([other, { endOffset }]) => [other, endOffset]))
  for await (const chunk of await open(job, { offsets: offsets.set(partition, offset) })) {
    if (chunk.partition !== partition) continue
    if (chunk.packed) throw chunk.packed.error
    const record = chunk.records.at(0)
    if (record.offset !== offset) break
    const letter = letterOf(record, job)
    // A batch begins with a zero byte, as values that have a schema do.
    const [{ value } = record] = letter.kind === BATCH ? [record] : await show([record])
    const { key, headers } = record
    return { topic, ...placeOf(record, partition), ...letter, key, headers, value }
  }
  throw configFault(`"${topic}" has no record there, but the mark of a commit`, where, hint)
}

const BATCH = 'whole batch'

function open({ read, definition }: LettersJob, from: ReadOptions['from']): Promise<Followed> {
  return read({ topic: definition.deadLetterTopic, from, until: 'end', takesPacked: true })
}

/** Why a record was set aside, and why it is not a letter of the topology; `null`: it is. */
function letterOf({ headers }: LogRecord, { definition }: LettersJob) {
  const { at, isBatch, isWithoutValue, ...reason } = reasonOf(headers)
  const { name, source } = definition
  let why: string | null = null
  if (reason.code === '') why = 'without a reason of Tidemark'
  else if (at.topology !== name) why = `of topology ${at.topology}`
  else if (at.topic !== source.topic) why = `from topic ${at.topic}`
  return { why, at, ...reason, kind: isBatch ? BATCH : isWithoutValue ? 'without value' : 'record' }
}

function placeOf({ offset, timestampMs: ms }: LogRecord, partition: number) {
  const isTime = ms >= 0 && ms <= LAST_TIME_MS
  return { partition, offset, time: isTime ? new Date(ms).toISOString() : NO_TIME }
}

/** Groups by their words. When there are too many, all further ones are one group. */
class Groups {
  readonly #all = new Map<string, LetterGroup>()

  /** In the order of their words. */
  get all(): LetterGroup[] {
    return [...this.#all].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, group]) => group)
  }

  add(texts: LetterGroup['words'], { partition, offset, time }: LetterGroup['oldest']): void {
    const oldest = { partition, offset, time }
    const pairs = Object.entries(texts).map(([name, text]) => [name, shortened(text, MOST_SHOWN)])
    const name = JSON.stringify(pairs)
    const isRoom = this.#all.size < MOST_GROUPS || this.#all.has(name)
    const key = isRoom ? name : 'others'
    const words = isRoom ? Object.fromEntries(pairs) : { all: 'others' }
    const group = this.#all.get(key) ?? { words, letters: 0, oldest }
    this.#all.set(key, group)
    group.letters++
    // Digits come before the text of no time.
    if (oldest.time < group.oldest.time) group.oldest = oldest
  }
}

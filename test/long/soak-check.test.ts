import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Kafka, logLevel } from 'kafkajs'
import { expect } from 'vitest'
import { freshName, type KafkaService, kafkaTest } from '../services/kafka.ts'
import { check, type Note, type Run, runFile, startWatch, type Verdict } from '../soak/checker.ts'
import { HandLog, INPUTS } from '../soak/hand-log.ts'
import { folderWith } from '../support/folder.ts'

// The checker finds each fault in a log that has only this fault, and none in a log without faults.

/** Long enough for two JVM programs to start on a busy machine. */
const TEST_MS = 180_000
/** Offset of the last prediction: six payments get one. */
const LAST_PREDICTION = 5

interface Case {
  readonly write: (log: HandLog) => Promise<void>
  readonly run?: Partial<Run>
  /** The faults that the checker must find, and how often each. */
  readonly faults: Readonly<Record<string, number>>
  readonly also?: Partial<Verdict>
}

const CASES: Readonly<Record<string, Case>> = {
  'a log that is as it must be': {
    write: async (log) => {
      await log.commit(log.outcomes(0, 5), 5)
      await log.commit(log.outcomes(5), INPUTS)
    },
    faults: {},
    also: { inputs: 8, predictions: 6, deadLetters: 2, repeated: 0, aborted: 0 },
  },
  'outcomes that were aborted before they were committed': {
    write: async (log) => {
      await log.abort(log.outcomes(0, 5))
      await log.commit(log.outcomes(), INPUTS)
    },
    faults: {},
    also: { predictions: 6, deadLetters: 2, aborted: 5 },
  },
  'a prediction and a dead letter that are missing': {
    write: (log) => log.commit([...log.outcomes(0, 3), ...log.outcomes(5)], INPUTS),
    faults: { lost: 2 },
  },
  'outcomes of which there is only what was aborted': {
    write: async (log) => {
      await log.abort(log.outcomes(2, 5))
      await log.commit([...log.outcomes(0, 2), ...log.outcomes(5)], INPUTS)
    },
    faults: { lost: 3 },
    also: { aborted: 3 },
  },
  'a prediction and a dead letter that are there twice': {
    write: (log) => log.commit([...log.outcomes(), log.outcome(3), log.outcome(6)], INPUTS),
    faults: { repeated: 2 },
  },
  'the same under at-least-once': {
    write: (log) => log.commit([...log.outcomes(), log.outcome(3), log.outcome(6)], INPUTS),
    run: { mayRepeat: true },
    faults: {},
    also: { repeated: 2 },
  },
  'a repeated prediction that says something else': {
    write: (log) =>
      log.commit([...log.outcomes(), log.outcome(3, { value: { probability: 0.6 } })], INPUTS),
    run: { mayRepeat: true },
    faults: { different: 1 },
  },
  'an aborted prediction that says something else': {
    write: async (log) => {
      await log.abort([log.outcome(3, { value: { probability: 0.6 } })])
      await log.commit(log.outcomes(), INPUTS)
    },
    faults: { different: 1 },
  },
  'a prediction that precedes that of an earlier payment': {
    write: (log) => {
      const [first, second, ...others] = log.outcomes()
      return log.commit(
        [second, first, ...others].flatMap((o) => o ?? []),
        INPUTS,
      )
    },
    faults: { disordered: 1 },
  },
  'an id of another topic': {
    write: (log) =>
      log.commit([...log.outcomes(), log.outcome(0, { id: 'other/0/0/predictions' })], INPUTS),
    faults: { unknown: 1 },
  },
  'an id that no payment has': {
    write: (log) => {
      const id = `${log.run.input}/0/${INPUTS}/predictions`
      return log.commit([...log.outcomes(), log.outcome(0, { id })], INPUTS)
    },
    faults: { unknown: 1 },
  },
  'a prediction with the id of one payment and the name of another': {
    write: (log) =>
      log.commit([log.outcome(0, { value: { paymentId: 'p-1' } }), ...log.outcomes(1)], INPUTS),
    faults: { mismatched: 1 },
  },
  'a late payment that was scored, and one on time that is a dead letter': {
    write: (log) =>
      log.commit(
        [...log.outcomes(0, 5), log.deadLetter(5), log.prediction(6, {}), log.outcome(7)],
        INPUTS,
      ),
    faults: { misjudged: 2 },
  },
  'a partition that is not committed to its end': {
    write: (log) => log.commit(log.outcomes(), INPUTS - 1),
    faults: { unfinished: 1 },
  },
  'a payment that was fed and is missing': {
    write: (log) => log.commit(log.outcomes(), INPUTS),
    run: { fed: INPUTS + 1 },
    faults: { misfed: 1 },
  },
  'a transaction that blocks the readers of a partition': {
    write: async (log) => {
      await log.commit(log.outcomes(), INPUTS)
      await log.leaveOpen([log.outcome(3)], null)
    },
    // The transaction, and the partition.
    faults: { open: 2 },
  },
  'a transaction that blocks an offset': {
    write: async (log) => {
      await log.commit(log.outcomes(), INPUTS)
      await log.leaveOpen([], INPUTS)
    },
    faults: { open: 1, unstable: 1 },
  },
}

/**
 * The faults that must be found in one log, whose offset is committed before its outcomes, by the
 * notes that it is checked with.
 */
const WATCHED = {
  'outcomes that an open transaction hides when their offset is committed': { ahead: 2 },
  'an outcome that is written after its offset was committed': { ahead: 1 },
  'outcomes that all could be read when their offset was committed': {},
  'an offset without a note': { unwatched: 1 },
} as const

const ALL = [
  ...Object.entries<Pick<Case, 'faults' | 'also'>>(CASES),
  ...Object.entries(WATCHED).map(([what, faults]) => [what, { faults, also: {} }] as const),
]

for (const [what, { faults, also = {} }] of ALL) {
  const found = Object.entries(faults).map(([name, times]) => `${name} ${times}`)
  kafkaTest(
    `${what}: ${found.join(', ') || 'no fault'}`,
    async (kafka) => {
      const verdict = (await verdicts(kafka)).get(what)
      expect(timesOf(verdict)).toEqual(faults)
      expect(verdict).toMatchObject({ ...also, ok: found.length === 0 })
    },
    TEST_MS,
  )
}

/** The verdicts of one process for all logs, because it starts slowly: the first test waits. */
let judged: Promise<ReadonlyMap<string, Verdict>> | null = null

/** The verdicts, by case. */
function verdicts(kafka: KafkaService): Promise<ReadonlyMap<string, Verdict>> {
  judged ??= judge(kafka)
  return judged
}

async function judge(kafka: KafkaService): Promise<ReadonlyMap<string, Verdict>> {
  const folder = folderWith({})
  const newLog = () => new HandLog(kafka.brokers, freshName('check'))
  const cases = Object.entries(CASES).map(([what, of]) => ({ what, ...of, log: newLog() }))
  const watched = newLog()
  const logs = [watched, ...cases.map(({ log }) => log)]
  await feedAll(kafka, logs)
  const [notes] = await Promise.all([
    writeWatched(watched, folder),
    ...cases.map(({ write, log }) => write(log)),
  ])
  const files = new Map(
    cases.map(({ what, run, log }) => [what, fileOf(folder, log, { notes: null, ...run })]),
  )
  for (const [what, lines] of Object.entries(notes)) {
    const name = freshName('notes')
    const file = join(folder, `${name}.ndjson`)
    writeFileSync(file, lines.map((note) => `${JSON.stringify(note)}\n`).join(''))
    files.set(what, fileOf(folder, watched, { notes: file }))
  }
  try {
    const found = await check([...files.values()], { timeoutMs: TEST_MS, tell: () => {} })
    return new Map([...files.keys()].map((what, i) => [what, found[i] as Verdict]))
  } finally {
    for (const log of logs) await log.close()
  }
}

function fileOf(folder: string, { run }: HandLog, more: Partial<Run> & Pick<Run, 'notes'>): string {
  return runFile(folder, freshName('run'), { ...run, fed: INPUTS, mayRepeat: false, ...more })
}

type Notes = Readonly<Record<keyof typeof WATCHED, readonly Note[]>>

/** Writes the log while it is watched, and returns the notes of each case. */
async function writeWatched(log: HandLog, folder: string): Promise<Notes> {
  const notes = join(folder, 'watched.ndjson')
  const watch = startWatch(fileOf(folder, log, { notes: null }), notes)
  const nextNote = async () => {
    const nowMs = Date.now()
    let next: Note | null = null
    await watch.until((note) => {
      if (note.atMs > nowMs) next = note
      return next !== null
    })
    return next as unknown as Note
  }
  try {
    await log.leaveOpen(log.outcomes(0, 5), null)
    await log.commit(log.outcomes(5), INPUTS)
    const hidden = await nextNote()
    await log.close('commit')
    const whole = await nextNote()
    const end = `${log.run.predictions}-0`
    const early = { ...whole, written: { ...whole.written, [end]: LAST_PREDICTION } }
    return {
      'outcomes that an open transaction hides when their offset is committed': [hidden],
      'an outcome that is written after its offset was committed': [early],
      'outcomes that all could be read when their offset was committed': [whole],
      'an offset without a note': [],
    }
  } finally {
    await watch.stop()
  }
}

async function feedAll(kafka: KafkaService, logs: readonly HandLog[]): Promise<void> {
  const admin = new Kafka({ brokers: kafka.brokers, logLevel: logLevel.NOTHING }).admin()
  await admin.connect()
  await admin.createTopics({
    topics: logs.flatMap(({ topics }) => topics).map((topic) => ({ topic })),
  })
  await admin.disconnect()
  await Promise.all(logs.map((log) => log.feed()))
}

function timesOf(verdict: Verdict | undefined): Record<string, number> {
  return Object.fromEntries(
    Object.entries(verdict?.faults ?? {}).map(([name, { count }]) => [name, count]),
  )
}

import { Command, InvalidArgumentError, Option } from 'commander'
import type { ShownValues } from '../formats/registry/shown-values.ts'
import { KafkaRecords } from '../records/kafka/kafka-records.ts'
import type { KafkaReader, ReadStart } from '../records/kafka/reader.ts'
import { atLeastOne } from './at-least-one.ts'
import { ComparedTopic } from './compare/compared-topic.ts'
import { inStep } from './compare/in-step.ts'
import { Pairs } from './compare/pairs.ts'
import { type Compared, describeComparison, plainComparison } from './compare/report.ts'
import { addSettings, readConfig } from './config.ts'
import { FROM, parseStart } from './consume.ts'
import { KAFKA_SETTINGS, kafkaOptions } from './kafka-options.ts'
import { readerGone, write } from './output.ts'
import { count, plural, sayNotes } from './print.ts'
import { Progress } from './progress.ts'
import { REGISTRY_SETTINGS } from './registry-options.ts'
import { shownRecords, shownValues } from './shown-records.ts'
import { untilSignal } from './signals.ts'

interface Flags extends Record<string, unknown> {
  readonly field: Fields
  readonly from: ReadStart
  readonly max: number
  readonly maxPending: number
  readonly threshold: number
  readonly byClock?: true
  readonly json?: true
}

/** The path of the score in each topic. */
interface Fields {
  readonly main: string
  readonly other: string
}

const SETTINGS = [...KAFKA_SETTINGS, ...REGISTRY_SETTINGS] as const
/** About 200 MB. */
const MOST_PENDING = 500_000

/** `tidemark compare MAIN OTHER --field PATH` */
export function compare(): Command {
  const command = new Command('compare')
    .description(
      'compare the scores that two topics have for the same events, such as predictions and those of a shadow; reads what is there now and commits no offsets',
    )
    .argument('<main>', 'topic of predictions')
    .argument('<other>', 'topic of a shadow, or of other predictions from the same source')
    .addOption(
      new Option(
        '--field <path>',
        'the score in the value of a record, such as probability; if it has another place in the other topic, probability=score.probability',
      )
        .argParser(parseFields)
        .makeOptionMandatory(),
    )
    .addOption(new Option('--from <place>', FROM).argParser(parseStart).default('earliest'))
    .addOption(
      new Option('--max <n>', 'stop after so many pairs')
        .argParser(atLeastOne)
        .default(Number.POSITIVE_INFINITY, 'all'),
    )
    .addOption(
      new Option('--threshold <score>', 'from which score on an event is positive, to count flips')
        .argParser(parseScore)
        .default(0.5),
    )
    .option('--by-clock', 'compare also outputs whose model the wall clock has decided')
    .addOption(
      new Option('--max-pending <n>', 'most events to remember, while their other output may come')
        .argParser(atLeastOne)
        .default(MOST_PENDING),
    )
    .option('--json', 'write JSON')
    .action(async (main: string, other: string, flags: Flags) => {
      const config = readConfig(SETTINGS, flags)
      const topics = {
        main: new ComparedTopic(main, flags.field.main),
        other: new ComparedTopic(other, flags.field.other),
      }
      const records = new KafkaRecords(kafkaOptions(config))
      try {
        const values = await shownValues(config)
        const compared = { topics, pairs: new Pairs(pairOptions(flags)) }
        const from = { records, from: flags.from, values }
        await readBoth(compared, from, flags.max)
        sayNotes(notesOf(compared, flags))
        await write(
          flags.json === true
            ? `${JSON.stringify(plainComparison(compared), null, 2)}\n`
            : describeComparison(compared),
        )
      } finally {
        await records.close()
      }
    })
  return addSettings(command, SETTINGS)
}

function pairOptions({ maxPending: mostPending, byClock, threshold }: Flags) {
  return { mostPending, threshold, withByClock: byClock === true }
}

interface Reading {
  readonly records: KafkaRecords
  readonly from: ReadStart
  readonly values: ShownValues | null
}

/**
 * Reads both topics to their present ends, or until there are `most` pairs, stdout is closed, or a
 * signal arrives.
 */
async function readBoth(
  { topics, pairs }: Compared,
  { records, from, values }: Reading,
  most: number,
): Promise<void> {
  const open = ({ topic }: ComparedTopic) => records.read({ topic, from, until: 'end' })
  const readers = { main: await open(topics.main), other: await open(topics.other) }
  const ended = untilSignal(readerGone)
  void ended.promise.then(() => closeAll(readers))
  const progress = new Progress(() => ({
    records: topics.main.records + topics.other.records,
    share: null,
  }))
  try {
    for await (const { side, chunk } of inStep(readers)) {
      const shown = values === null ? chunk.records : await shownRecords(chunk.records, values)
      for (const output of topics[side].scoresOf(shown)) {
        pairs.add(side, output)
        if (pairs.count >= most) return
      }
    }
    if (ended.hasCome) return
    topics.main.end()
    topics.other.end()
    pairs.end()
  } finally {
    progress.end()
    ended.dispose()
    await closeAll(readers)
  }
}

async function closeAll(readers: Readonly<Record<string, KafkaReader>>): Promise<void> {
  await Promise.all(Object.values(readers).map((reader) => reader.close()))
}

function notesOf({ topics, pairs }: Compared, { maxPending }: Flags): string[] {
  const { main, other } = topics
  const notes: string[] = []
  if (pairs.waiting > 0) {
    notes.push(`stopped early: ${plural(pairs.waiting, 'output')} had no other one yet`)
  }
  if (pairs.count === 0 && main.records > 0 && other.records > 0) {
    notes.push(
      `no output of ${main.topic} has the event of one of ${other.topic}: do both come from the same source topic, and the same time?`,
    )
  }
  if (pairs.givenUp > 0) {
    notes.push(
      `${plural(pairs.givenUp, 'output')} counted as alone, since no other one came within ${count(maxPending)} events; if the topics are further apart, raise --max-pending`,
    )
  }
  return notes
}

/** Parses `--field`. @throws InvalidArgumentError */
export function parseFields(text: string): Fields {
  const [main = '', other = main, ...more] = text.split('=')
  if (main !== '' && other !== '' && more.length === 0) return { main, other }
  throw new InvalidArgumentError('must be a path, such as score.probability, or PATH=PATH')
}

function parseScore(text: string): number {
  const score = Number(text)
  if (text.trim() !== '' && Number.isFinite(score)) return score
  throw new InvalidArgumentError('must be a number')
}

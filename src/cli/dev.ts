import { Command, InvalidArgumentError, Option } from 'commander'
import { messageOf, refuseIfAny, TidemarkError } from '../kernel/errors.ts'
import { observeAll } from '../observe/observer.ts'
import type { Header } from '../records/port.ts'
import type { Prepared, PreparedTopology } from '../runtime/prepare.ts'
import { startWorker } from '../runtime/worker.ts'
import { outputTopics, type TableDefinition } from '../topology/definition.ts'
import { shadowTopics } from '../topology/shadows.ts'
import { atLeastOne } from './at-least-one.ts'
import { addSettings, readConfig } from './config.ts'
import { DeadLetterReport } from './dead-letter-report.ts'
import { embeddedRecords, publishingRecords } from './embedded.ts'
import { feedLines, feedRows } from './feed.ts'
import { headerOption } from './header-option.ts'
import { LineBook } from './line-book.ts'
import { type InputFile, openInput } from './lines.ts'
import { summaryOf } from './outline.ts'
import { readerGone, write } from './output.ts'
import { prepareFiles } from './prepare-files.ts'
import { say, sayNotes } from './print.ts'
import { RepeatableOption } from './repeats.ts'
import { pairs } from './setting-parsers.ts'
import { untilSignal } from './signals.ts'
import { StageReport } from './stage-report.ts'
import { Tally } from './tally.ts'

const SETTINGS = [
  'model',
  'variant',
  'evaluator',
  'cache',
  'maxAhead',
  'maxTableMb',
  'maxModelMb',
] as const
/** As many as a small real topic has. Lines are in order per key, not across keys. */
const PARTITIONS = 6
const NEWLINE = Buffer.from('\n')

interface Flags extends Record<string, unknown> {
  readonly input?: string
  readonly deadLetters?: string
  readonly sink?: string
  readonly partitions: number
  readonly header: readonly Header[]
  /** Table → file. */
  readonly table?: ReadonlyMap<string, string>
}

/** `tidemark dev FILE < events.ndjson` */
export function dev(): Command {
  const command = new Command('dev')
    .description('score events from stdin or a file in this process; predictions go to stdout')
    .argument('<file>', 'topology')
    .addOption(
      new Option(
        '--input <file>',
        'events, one per line: VALUE or KEY<TAB>VALUE; a line with a tab that does not begin with { is split at its first tab; may be .gz (default: stdin)',
      ),
    )
    .addOption(
      new RepeatableOption(
        '--table <name=file>',
        'rows of a table whose rows are in a topic, as lines like the events; repeatable (default: it is empty)',
      ).argParser(addTable),
    )
    .addOption(
      new Option(
        '--partitions <n>',
        'partitions of the source; each has its own watermark, so their number affects what is late',
      )
        .argParser(atLeastOne)
        .default(PARTITIONS),
    )
    .addOption(headerOption())
    .addOption(
      new Option(
        '--sink <topic>',
        'write only outputs for this topic (default: all but those of shadows)',
      ),
    )
    .addOption(
      new Option(
        '--dead-letters <file>',
        'write dead letters to a file as NDJSON (default: only print them)',
      ),
    )
    .action((file: string, flags: Flags) => start(command, file, flags))
  return addSettings(command, SETTINGS)
}

async function start(command: Command, file: string, flags: Flags): Promise<void> {
  if (flags.input === undefined && process.stdin.isTTY) {
    command.error(
      `error: no events: use tidemark dev ${file} < events.ndjson, or --input events.ndjson`,
    )
  }
  const config = { ...readConfig(SETTINGS, flags), topic: new Map<string, string>() }
  const input = flags.input === undefined ? null : await openInput(flags.input)
  const prepared = await prepareFiles([file], config, { values: 'json' })
  try {
    const topology = prepared.topologies[0] as PreparedTopology
    checkSink(topology, flags.sink)
    say(summaryOf(topology))
    sayNotes(prepared.notes)
    checkTables(topology, flags.table ?? new Map())
    await score(prepared, topology, { ...flags, stream: input?.stream ?? process.stdin })
  } finally {
    await prepared.close()
  }
}

function checkSink({ definition }: PreparedTopology, sink: string | undefined): void {
  const sinks = outputTopics(definition).filter((topic) => topic !== definition.deadLetterTopic)
  if (sink === undefined || sinks.includes(sink)) return
  throw new TidemarkError('CONFIG_INVALID', `the topology has no sink "${sink}"`, {
    where: '--sink',
    hint: `its sinks are: ${sinks.join(', ')}`,
  })
}

/** Adds a `name=file` to those given before. */
function addTable(given: string, before: ReadonlyMap<string, string> = new Map()) {
  try {
    return pairs([...[...before].map((pair) => pair.join('=')), given], 'name=file')
  } catch (error) {
    throw new InvalidArgumentError(messageOf(error))
  }
}

/** The tables whose rows are in a topic, by name. */
function tablesOf({ definition }: PreparedTopology): ReadonlyMap<string, TableDefinition> {
  const inTopics = definition.tables.filter(({ from }) => from.topic !== undefined)
  return new Map(inTopics.map((table) => [table.name, table]))
}

/** Refuses rows of unknown tables, and says which tables have no rows. */
function checkTables(topology: PreparedTopology, given: ReadonlyMap<string, string>): void {
  const tables = tablesOf(topology)
  const names = [...tables.keys()]
  refuseIfAny(
    [...given.keys()]
      .filter((name) => !tables.has(name))
      .map((name) => {
        const what = `the topology has no table "${name}" whose rows are in a topic`
        const hint = names.length === 0 ? 'it has none' : `it has: ${names.join(', ')}`
        return new TidemarkError('CONFIG_INVALID', what, { where: '--table', hint })
      }),
  )
  for (const name of names.filter((table) => !given.has(table))) {
    say(`table "${name}" is empty: give its rows with --table ${name}=rows.ndjson`)
  }
}

interface Input extends Flags {
  readonly stream: InputFile['stream']
}

/** Runs the events through a worker of the real runtime, on records in memory. */
async function score(prepared: Prepared, topology: PreparedTopology, input: Input): Promise<void> {
  const { source, deadLetterTopic } = topology.definition
  const records = embeddedRecords(topology.definition, input.partitions)
  const book = new LineBook()
  const report = new DeadLetterReport(
    (p, offset) => book.lineAt(p, offset),
    input.deadLetters ?? null,
  )
  const tally = new Tally()
  const stages = new StageReport()
  let wake = () => {}
  const shadows = shadowTopics(topology.definition)
  const isShown = (topic: string) =>
    input.sink === undefined ? !shadows.includes(topic) : topic === input.sink
  const embedded = publishingRecords(records, async ({ outputs, deadLetters, nextOffsets }) => {
    const shown = [...outputs].filter(({ topic }) => isShown(topic))
    await write(
      Buffer.concat(shown.flatMap(({ value }) => (value === null ? [] : [value, NEWLINE]))),
    )
    report.add([...deadLetters].filter(({ topic }) => topic === deadLetterTopic))
    for (const { topic, partition, nextOffset } of nextOffsets) {
      book.forget(partition, nextOffset)
      records.deleteBefore({ topic, partition, offset: nextOffset })
    }
    wake()
  })
  for (const [table, path] of input.table ?? []) {
    const definition = tablesOf(topology).get(table) as TableDefinition
    await feedRows(await openInput(path), { table: definition, records })
  }
  const worker = startWorker({
    prepared,
    records: embedded,
    group: 'dev',
    observer: observeAll(tally.observer, stages.observer),
    onSetAside: report.expect,
  })
  const committed = () => new Promise<void>((resolve) => (wake = resolve))
  const ended = untilSignal(readerGone)
  const fed = feedLines(input.stream, { source, headers: input.header, records, book, committed })
  const whole = async () => {
    await fed
    await records.settled('dev', source.topic)
    // At the end of the input, open windows emit their results too.
    await worker.closeWindows()
  }
  try {
    await Promise.race([whole(), ended.promise, worker.done])
  } finally {
    input.stream.destroy()
    try {
      await worker.stop()
    } finally {
      ended.dispose()
      report.close()
      await embedded.close()
    }
  }
  say(tally.summary())
  stages.print()
}

import { closeSync, openSync, writeSync } from 'node:fs'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { inspect } from 'node:util'
import { Command } from 'commander'
import { type Line, linesOf, openInput, splitKey } from '../connect/files/lines.ts'
import type { Header } from '../connect/port.ts'
import { configOf, PREPARE_SETTINGS } from '../host/settings.ts'
import { prepareFiles } from '../host/topology-files.ts'
import { summaryOf } from '../host/topology-lines.ts'
import { OutcomeTally } from '../jobs/outcome-tally.ts'
import { LinePlaces } from '../jobs/run-job.ts'
import { runStream } from '../jobs/run-stream.ts'
import { checkRows, tablesInTopics } from '../jobs/table-rows.ts'
import { configFault, messageOf } from '../kernel/errors.ts'
import { bytesAsJson } from '../kernel/json.ts'
import { GivenSource } from '../lookup/store-source.ts'
import type { RecordFault } from '../runtime/output/dead-letter.ts'
import type { Prepared, PreparedTopology } from '../runtime/prepared.ts'
import { shadowTopics } from '../topology/graph.ts'
import { addPair, headerOption, partitionsOption } from './arguments.ts'
import { addSettings, readConfig } from './config.ts'
import { untilSignal } from './exit.ts'
import { colors, readerGone, say, sayNotes, write } from './print.ts'
import { TERMINAL } from './progress.ts'

const NEWLINE = Buffer.from('\n')

interface Flags extends Record<string, unknown> {
  readonly input?: string
  readonly deadLetters?: string
  readonly partitions: number
  readonly header: readonly Header[]
  readonly table?: ReadonlyMap<string, string>
  readonly store?: ReadonlyMap<string, string>
}

export function dev(): Command {
  const command = new Command('dev')
    .description(
      'score events from stdin or a file in this process; predictions go to stdout, without those of shadows',
    )
    .argument('<file>', 'topology')
    .option(
      '--input <file>',
      'events, one per line: VALUE or KEY<TAB>VALUE; a line with a tab that does not begin with { is split at its first tab; may be .gz (default: stdin)',
    )
    .option(
      '--table <name=file>',
      'rows of a table whose rows are in a topic, as lines like the events; repeatable (default: it is empty)',
      addPair,
    )
    .option(
      '--store <name=file>',
      'rows of a store, one per line: KEY<TAB>JSON; repeatable (default: one in a system outside is empty, another is asked itself)',
      addPair,
    )
    .addOption(partitionsOption())
    .addOption(headerOption())
    .option(
      '--dead-letters <file>',
      'write dead letters to a file as NDJSON (default: only print them)',
    )
    .action((file: string, flags: Flags) => start(command, file, flags))
  return addSettings(command, PREPARE_SETTINGS)
}

async function start(command: Command, file: string, flags: Flags): Promise<void> {
  if (flags.input === undefined && process.stdin.isTTY) {
    command.error(
      `error: no events: use tidemark dev ${file} < events.ndjson, or --input events.ndjson`,
    )
  }
  const config = readConfig(PREPARE_SETTINGS, flags)
  const input = flags.input === undefined ? null : await openInput(flags.input)
  const rows = await storeRows(flags.store ?? new Map())
  const prepared = await prepareFiles([file], configOf(config), {
    values: 'json',
    systems: 'later',
    sourceOf: (store) => {
      const values = rows.get(store.name)
      const isGiven = values !== undefined || 'connector' in store.from
      return isGiven ? new GivenSource(store, values ?? []) : null
    },
  })
  try {
    const topology = prepared.topologies[0] as PreparedTopology
    say(summaryOf(topology))
    sayNotes(prepared.notes)
    const { stores } = topology.definition
    const givable = stores.filter(({ name, from }) => 'connector' in from || rows.has(name))
    const tables = tablesInTopics(topology.definition)
    checkRows('table', tables, { rows: flags.table ?? new Map(), report: TERMINAL })
    checkRows('store', givable, { rows, report: TERMINAL })
    await score(prepared, input ?? process.stdin, flags)
  } finally {
    await prepared.close()
  }
}

/** The rows in files, by name of the store. */
async function storeRows(files: ReadonlyMap<string, string>) {
  const rows = new Map<string, ReadonlyMap<string, unknown>>()
  for (const [store, path] of files) {
    const byKey = new Map<string, unknown>()
    for await (const lines of linesOf(await openInput(path))) {
      for (const line of lines) byKey.set(...storeRow(line, path))
    }
    rows.set(store, byKey)
  }
  return rows
}

function storeRow({ bytes, number }: Line, path: string): [string, unknown] {
  const { key, value } = splitKey(bytes)
  const where = `${path}:${number}`
  if (key === null) throw configFault('it has no key: write key<TAB>JSON', where)
  try {
    return [key.toString('utf8'), JSON.parse(value.toString('utf8'))]
  } catch {
    throw configFault('its row is not JSON', where)
  }
}

async function score(prepared: Prepared, stream: Readable, flags: Flags): Promise<void> {
  const { definition } = prepared.topologies[0] as PreparedTopology
  const places = new LinePlaces()
  const report = new DeadLetterReport(places, flags.deadLetters ?? null)
  const tally = new OutcomeTally()
  const shadows = shadowTopics(definition)
  const ended = untilSignal(readerGone)
  try {
    await runStream({
      ...{ prepared, stream, places, headers: flags.header, partitions: flags.partitions },
      ...(flags.table && { tables: flags.table }),
      stop: ended.signal,
      observer: tally.observer,
      onDeadLetter: report.add,
      publish: async ({ outputs }) => {
        const shown = [...outputs].filter(({ topic }) => !shadows.includes(topic))
        const lines = shown.flatMap(({ value }) => (value === null ? [] : [value, NEWLINE]))
        await write(Buffer.concat(lines))
        if (!readerGone.aborted) report.show()
      },
    })
  } finally {
    ended.dispose()
    report.close()
  }
  tally.report(TERMINAL)
}

const SHOWN = 10
const INNER = [
  'node:',
  '(<anonymous>)',
  new URL('..', import.meta.url).href,
  fileURLToPath(new URL('..', import.meta.url)),
]

class DeadLetterReport {
  readonly #places: LinePlaces
  readonly #file: number | null
  /** Faults that are not shown yet, with their partitions. */
  readonly #faults: (readonly [RecordFault, number])[] = []
  #count = 0

  /** @throws TidemarkError `CONFIG_INVALID`: the file cannot be written */
  constructor(places: LinePlaces, path: string | null) {
    this.#places = places
    this.#file = path === null ? null : openFile(path)
  }

  readonly add = (fault: RecordFault, partition: number): void => {
    this.#faults.push([fault, partition])
  }

  /** Shows them later than they are added, because an error may get its `cause` a moment later. */
  show(): void {
    for (const [{ record, step, error }, partition] of this.#faults.splice(0)) {
      const { code, message, cause } = error
      const line = this.#places.lineAt(partition, record.offset)?.place
      const thrown = cause === undefined ? null : describeThrown(cause)
      this.#count++
      if (this.#count <= SHOWN) {
        say(`${colors.red('✗')} line ${line}  ${colors.bold(code)}  ${message}`)
        if (thrown !== null) say(colors.dim(thrown.replace(/^/gm, '  ')))
      }
      if (this.#file === null) continue
      const why = { line, code, step, message, ...(thrown === null ? {} : { thrown }) }
      const kept = { ...why, key: bytesAsJson(record.key), value: bytesAsJson(record.value) }
      writeSync(this.#file, `${JSON.stringify(kept)}\n`)
    }
  }

  close(): void {
    const hidden = this.#count - SHOWN
    if (hidden > 0) {
      const hint = this.#file === null ? '; --dead-letters FILE keeps them all' : ''
      say(`  and ${hidden} more${hint}`)
    }
    if (this.#file !== null) closeSync(this.#file)
  }
}

/** Message and stack, without the frames of Node and of this package. */
function describeThrown(thrown: unknown): string {
  const lines = inspect(thrown).split('\n')
  return lines
    .filter((line) => !/^ +at /.test(line) || !INNER.some((path) => line.includes(path)))
    .join('\n')
}

function openFile(path: string): number {
  try {
    return openSync(path, 'w')
  } catch (error) {
    throw configFault(`cannot write dead letters: ${messageOf(error)}`, path)
  }
}

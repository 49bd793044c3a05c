import { isUtf8 } from 'node:buffer'
import { Command, InvalidArgumentError } from 'commander'
import type { LogPoint } from '../connect/port.ts'
import { parseJson } from '../formats/json/parse-json.ts'
import { withKafka } from '../host/services.ts'
import { CLUSTER_SETTINGS } from '../host/settings.ts'
import { loadNamed } from '../host/topology-files.ts'
import * as letters from '../jobs/dead-letters.ts'
import { openShower } from '../jobs/shown-records.ts'
import { grouped, plural, table } from '../kernel/wording.ts'
import type { Definition } from '../topology/definition.ts'
import { addSettings, readConfig } from './config.ts'
import { FROM, parsePoint } from './consume.ts'
import { printable, writeResult } from './print.ts'

const SETTINGS = ['topic', ...CLUSTER_SETTINGS] as const
const MOST_ROWS = 48

interface Flags extends Record<string, unknown> {
  readonly from?: LogPoint
  readonly json?: true
}

/** `tidemark dlq list` and `tidemark dlq show` */
export function dlq(): Command {
  const list = new Command('list')
    .description('count the dead letters of a topology by code and step, and by hour')
    .argument('<file>', 'topology')
    .option('--from <place>', FROM, parsePoint, 'earliest')
    .option('--json', 'write JSON')
    .action((file: string, flags: Flags) => start(file, flags))
  const show = new Command('show')
    .description('print one dead letter as JSON: its reason, place, key, headers and value')
    .argument('<file>', 'topology')
    .argument('<position>', 'PARTITION/OFFSET in the dead-letter topic', parsePosition)
    .action((file: string, at: letters.LetterPosition, flags: Flags) => start(file, flags, at))
  return new Command('dlq')
    .description('read the dead letters of a topology; commits no offsets')
    .addCommand(addSettings(list, SETTINGS))
    .addCommand(addSettings(show, SETTINGS))
}

export function parsePosition(text: string): letters.LetterPosition {
  const [, partition, offset] = /^(\d{1,9})\/(\d{1,15})$/.exec(text) ?? []
  if (offset !== undefined) return { partition: Number(partition), offset: Number(offset) }
  throw new InvalidArgumentError('must be PARTITION/OFFSET, such as 0/17')
}

async function start(file: string, flags: Flags, at?: letters.LetterPosition): Promise<void> {
  const config = readConfig(SETTINGS, flags)
  const [definition] = (await loadNamed([file], config.topic)) as [Definition]
  await withKafka(config, async (records) => {
    const job: letters.LettersJob = { definition, read: (options) => records.read(options) }
    if (at === undefined) {
      const counts = await letters.countLetters(job, flags.from ?? 'earliest')
      await writeResult(flags.json, counts, describeCounts(counts))
    } else {
      const letter = await letters.readLetter(job, at, await openShower(config))
      await writeResult(true, plainLetter(letter), '')
    }
  })
}

export function describeCounts(counts: Awaited<ReturnType<typeof letters.countLetters>>): string {
  const { topic, topology, reasons, hours, others } = counts
  const lines = [
    `${topic}: ${plural(counts.letters, 'dead letter')} of ${topology}`,
    ...tableOf('code, step, kind', reasons),
    ...tableOf('hour (UTC)', hours),
    ...tableOf('other records', others),
  ]
  return printable(lines)
}

function tableOf(title: string, groups: readonly letters.LetterGroup[]): string[] {
  const rows = groups.slice(-MOST_ROWS).map(({ words, letters: count, oldest }) => {
    const place = `${oldest.partition}/${oldest.offset}`
    return [Object.values(words).join(', '), grouped(count), place, oldest.time]
  })
  const head = [title, 'number', 'oldest', 'time']
  const more = groups.length > MOST_ROWS ? [`the last of ${grouped(groups.length)}: --json`] : []
  return rows.length === 0 ? [] : ['', ...table([head, ...rows]), ...more]
}

export function plainLetter(letter: Awaited<ReturnType<typeof letters.readLetter>>) {
  const { at, key, headers, value, ...others } = letter
  return {
    ...others,
    help: letter.code && 'docs/errors.md#dead-letters',
    source: at,
    key: textOf(key),
    headers: headers.map((header) => [header.name, textOf(header.value)]),
    value: jsonIn(value) ?? textOf(value),
  }
}

function textOf(bytes: Buffer | null) {
  if (bytes === null) return null
  return isUtf8(bytes) ? String(bytes) : { hex: bytes.toString('hex') }
}

/** `null`: it is not JSON, or it would be another text when it is written again. */
function jsonIn(value: Buffer | null): unknown {
  try {
    const json = value && parseJson(value)
    return JSON.stringify(json) === String(value) ? json : null
  } catch {
    return null
  }
}

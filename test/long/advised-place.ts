import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { KafkaRecords } from '../../src/connect/kafka/kafka-records.ts'
import { partitionOf } from '../../src/connect/memory/log.ts'
import { freshName, type KafkaService, plainOptions } from '../services/kafka.ts'
import type { Ended } from '../services/tidemark.ts'
import { httpOfRequests, start, tidemark } from '../services/tidemark-in-test.ts'
import { folderWith } from '../support/folder.ts'
import { ROOT } from '../support/paths.ts'

// Where the commands that are advised are run.

export const TOPOLOGIES = join(ROOT, 'topologies')
export const PAYMENTS = join(TOPOLOGIES, 'samples/payments.tsv')
const PARTITIONS = 6
const DAY_MS = 86_400_000

/** A folder with all files that commands name, and a topology whose topics no other test has. */
export class Place {
  readonly folder: string
  readonly source: string
  readonly sink: string
  readonly #kafka: KafkaService

  constructor(topology: string, kafka: KafkaService) {
    this.#kafka = kafka
    const text = readFileSync(join(TOPOLOGIES, topology), 'utf8')
    const [, source = ''] = /\.source\('([\w-]+)'/.exec(text) ?? []
    const [, sink = ''] = /\.sink\('([\w-]+)'/.exec(text) ?? []
    this.source = freshName(source)
    this.sink = freshName(sink)
    const own = text
      .replace(/defineTopology\('[\w-]+'/, `defineTopology('${freshName('advised')}'`)
      .replace(`.source('${source}'`, `.source('${this.source}'`)
      .replace(`.sink('${sink}'`, `.sink('${this.sink}'`)
      .replaceAll(/'\.\/(models\/|payment)/g, `'${TOPOLOGIES}/$1`)
      .replaceAll("'./samples/", `'${pathToFileURL(TOPOLOGIES).href}/samples/`)
    this.folder = folderWith({ 'topology.ts': own, 'package.json': '{"type":"module"}' })
    mkdirSync(join(this.folder, 'node_modules'))
    symlinkSync(ROOT, join(this.folder, 'node_modules/tidemark'))
    symlinkSync(join(ROOT, 'node_modules/zod'), join(this.folder, 'node_modules/zod'))
    copyFileSync(PAYMENTS, join(this.folder, 'popular-events.ndjson'))
    const next = join(TOPOLOGIES, 'models/card-gbdt-next.onnx')
    copyFileSync(next, join(this.folder, 'next.onnx'))
    const golden = readFileSync(join(TOPOLOGIES, 'models/card-gbdt.golden.json'), 'utf8')
    const { features, inputs } = JSON.parse(golden) as Golden
    const rows = inputs.map((row) => Object.fromEntries(row.map((n, i) => [features[i], n])))
    const lines = rows.map((row) => JSON.stringify(row))
    writeFileSync(join(this.folder, 'rows.ndjson'), lines.join('\n'))
  }

  get where() {
    const env = { TIDEMARK_BROKERS: this.#kafka.brokers.join(','), TIDEMARK_PREDICT_PORT: '0' }
    return { cwd: this.folder, env }
  }

  /** Makes the topics, with the sample payments as of yesterday. */
  async fill(): Promise<void> {
    const records = new KafkaRecords(plainOptions(this.#kafka))
    const { source, sink } = this
    const topics = [source, sink, `${source}.dlq`, `${sink}-next`, `${source}.dlq-next`]
    await records.create(topics.map((name) => ({ name, partitions: PARTITIONS })))
    const writer = records.writer()
    const lines = readFileSync(PAYMENTS, 'utf8').trimEnd().split('\n')
    await writer.write(
      lines.map((line) => {
        const [id = '', value = ''] = line.split('\t')
        const key = Buffer.from(id)
        const partition = partitionOf({ partition: null, key }, PARTITIONS)
        const timestampMs = Math.floor(Date.now() / DAY_MS) * DAY_MS - DAY_MS / 2
        return {
          topic: source,
          partition,
          key,
          value: Buffer.from(value),
          timestampMs,
          headers: [],
        }
      }),
    )
    await writer.close()
    await records.close()
  }

  /** Runs a command to the point where it works. @returns what it did instead; `null`: it works */
  async faultOf(command: string): Promise<string | null> {
    const [program, ...words] = command.split(' ')
    if (program !== 'tidemark') return `not a command of this package: ${command}`
    const ended =
      words[0] === 'run'
        ? this.#run(words)
        : words[0] === 'serve'
          ? this.#serve(words)
          : tidemark(words, this.where)
    const { code, stdout, stderr } = await ended
    const said = SAID[words[0] ?? '']
    const output = words[words.indexOf('--output') + 1] as string
    const isMade = !words.includes('--output') || existsSync(join(this.folder, output, '_SUCCESS'))
    if (code === 0 && said?.test(`${stdout}${stderr}`) && isMade) return null
    return `${command}: ${code}\n${stdout}${stderr}`
  }

  /** Until it has scored, and has answered a request if it takes them. */
  async #run(words: readonly string[]): Promise<Ended> {
    const worker = start(
      words.map((word, i) => (words[i - 1] === '--predict-port' ? '0' : word)),
      this.where,
    )
    const read = ['consume', '--topic', this.sink, '--max', '400']
    const { stderr } = await tidemark(read, this.where)
    const url = /requests +(http:\S+)/.exec(worker.stderr())?.[1]
    const answer = url === undefined ? '' : await this.#ask(url)
    worker.process.kill('SIGTERM')
    const ended = await worker.ended
    return { ...ended, stderr: answer.includes('"error"') ? answer : stderr }
  }

  async #ask(url: string): Promise<string> {
    const topology = readFileSync(join(this.folder, 'topology.ts'), 'utf8')
    const [, name = ''] = /defineTopology\('([\w-]+)'/.exec(topology) ?? []
    const [line = ''] = readFileSync(PAYMENTS, 'utf8').split('\n')
    const payment = JSON.parse(line.split('\t')[1] ?? '') as object
    const body = JSON.stringify({ ...payment, paidAt: Date.now() })
    for (;;) {
      const answer = await fetch(`${url}/predict/${name}`, { method: 'POST', body })
      const text = await answer.text()
      if (answer.status !== 503) return text
      // Partitions are on their way to a worker.
      await sleep(Number(answer.headers.get('retry-after')) * 1_000)
    }
  }

  /** Until it has answered. */
  async #serve(words: readonly string[]): Promise<Ended> {
    const server = start(words, this.where)
    const url = await httpOfRequests(server)
    const [first = ''] = readFileSync(join(this.folder, 'rows.ndjson'), 'utf8').split('\n')
    const features = Object.values(JSON.parse(first) as object)
    const body = JSON.stringify({ features })
    const answer = await fetch(`${url}/predict`, { method: 'POST', body })
    server.process.kill('SIGTERM')
    return { ...(await server.ended), stderr: await answer.text() }
  }
}

interface Golden {
  readonly features: readonly string[]
  readonly inputs: readonly (readonly (number | null)[])[]
}

/** What shows that a command has worked, besides its exit code. */
const SAID: Readonly<Record<string, RegExp>> = {
  check: /✓/,
  batch: / [1-9][\d,]* scored/,
  replay: /[1-9]\d* equal, 0 different, 0 missing/,
  compare: /[1-9]\d* pairs/,
  init: /my-topology is ready/,
  run: /^400 records$/m,
  serve: /"prediction":/,
}

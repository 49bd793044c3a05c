import { EventEmitter, once } from 'node:events'
import { Agent, request } from 'node:http'
import { expect } from 'vitest'
import { type LogPosition, partitionOf } from '../../src/connect/memory/log.ts'
import { MemoryRecords } from '../../src/connect/memory/memory-records.ts'
import type { Observer } from '../../src/runtime/events.ts'
import type { Prepared } from '../../src/runtime/prepared.ts'
import { type Worker } from '../../src/runtime/worker.ts'
import type { RequestServer } from '../../src/serve/request-server.ts'
import { serveRequests } from '../../src/serve/worker-requests.ts'
import type { Definition } from '../../src/topology/definition.ts'
import { outputTopics } from '../../src/topology/graph.ts'
import { headerOf } from '../support/headers.ts'
import { prepare, startWorker } from '../support/in-process.ts'

// Workers of one group, in memory, that are asked about each event before it comes.

const GROUP = 'asked'

export interface Sent {
  readonly key: string
  readonly value: string
  /** @default that of the source */
  readonly topic?: string
}

/** An answer, and what the stream then wrote of the event. */
export interface Asked {
  readonly status: number
  readonly body: Answer
  readonly wrote: readonly unknown[]
  /** The code of its dead letter; `undefined`: there is none. */
  readonly dead: string | undefined
  readonly answeredBy: string | undefined
  readonly sentTo: LogPosition
}

export interface Answer {
  readonly outputs?: readonly { readonly value: unknown }[]
  readonly why?: string
  readonly code?: string
  readonly asOf?: { readonly partition: number; readonly offset: number }
  readonly [field: string]: unknown
}

interface AskedOptions {
  readonly partitions: number
  /** @default by the definition */
  readonly prepared?: () => Promise<Prepared>
}

export class AskedWorkers {
  readonly records = new MemoryRecords({ chunkRecords: 50 })
  readonly servers: RequestServer[] = []
  readonly #workers: Worker[] = []
  readonly #definition: Definition
  readonly #partitions: number
  readonly #prepared: () => Promise<Prepared>
  /** By worker and topic, the rows of tables that it has read. */
  readonly #rowsRead: Map<string, number>[] = []
  readonly #reads = new EventEmitter()
  /** Gives up idle connections before a server does. */
  readonly #agent = new Agent({ keepAlive: true, timeout: 4_000 })
  readonly #closing: (() => Promise<void>)[] = []

  constructor(
    definition: Definition,
    topics: readonly string[],
    { partitions, prepared = () => prepare([definition]) }: AskedOptions,
  ) {
    this.#definition = definition
    this.#partitions = partitions
    this.#prepared = prepared
    for (const topic of topics) this.records.createTopic(topic, { partitions })
  }

  /** Starts one more worker. */
  async start(): Promise<Worker> {
    const prepared = await this.#prepared()
    const rows = new Map<string, number>()
    this.#rowsRead.push(rows)
    const observer: Observer = (event) => {
      if (event.type !== 'table-read') return
      rows.set(event.table, (rows.get(event.table) ?? 0) + event.records)
      this.#reads.emit('read')
    }
    let worker: Worker | null = null
    const server = await serveRequests(
      { port: 0 },
      {
        topologies: prepared.topologies,
        observer: () => {},
        membership: () => worker?.membership ?? null,
      },
    )
    worker = startWorker({
      ...{ prepared, records: this.records, group: GROUP, observer },
      advertise: server.advertised,
      commitIntervalMs: 1,
    })
    this.servers.push(server)
    this.#workers.push(worker)
    const started = worker
    this.#closing.push(async () => {
      await started.stop()
      await server.close()
      await prepared.close()
    })
    return worker
  }

  /** Resolves when all that was sent is committed. */
  async settled(): Promise<void> {
    await this.records.settled(GROUP, this.#definition.source.topic)
  }

  send({ key, value, topic = this.#definition.source.topic }: Sent): LogPosition {
    const bytes = { key: Buffer.from(key), value: Buffer.from(value) }
    const [at] = this.records.produce([
      { topic, partition: null, ...bytes, timestampMs: Date.now(), headers: [] },
    ])
    return at as LogPosition
  }

  async ask(
    path: string,
    { at = 0, ...given }: { at?: number; body?: string | Buffer; key?: string } = {},
  ) {
    const { port } = this.servers[at % this.servers.length] as RequestServer
    const method = given.body === undefined ? 'GET' : 'POST'
    const headers = {
      // Also at the worker that it goes on to.
      'tidemark-deadline-ms': '9000',
      ...(given.key !== undefined && { 'tidemark-key': inHeader(given.key) }),
    }
    return new Promise<{ status: number; body: Answer; answeredBy: string | undefined }>(
      (resolve, reject) => {
        const to = { port, path, method, headers, agent: this.#agent }
        const asking = request(to, (response) => {
          const chunks: Buffer[] = []
          response.on('data', (chunk: Buffer) => chunks.push(chunk))
          response.on('end', () => {
            const body = JSON.parse(Buffer.concat(chunks).toString()) as Answer
            const answeredBy = response.headers['tidemark-answered-by'] as string | undefined
            resolve({ status: response.statusCode ?? 0, body, answeredBy })
          })
        })
        asking.on('error', reject)
        // Behind a text, Node would write headers in UTF-8.
        asking.end(given.body === undefined ? undefined : Buffer.from(given.body))
      },
    )
  }

  /**
   * Asks any worker about each event, then sends it; those of different partitions together. Others
   * of another topic are only sent.
   */
  async askThenSend(events: Iterable<Sent>): Promise<readonly Asked[]> {
    const { name, source } = this.#definition
    const asked: Omit<Asked, 'wrote' | 'dead'>[] = []
    const together = new Map<number, Sent>()
    const round = async () => {
      const all = [...together.values()]
      together.clear()
      const answers = await Promise.all(
        all.map(({ key, value: body }, i) =>
          this.ask(`/predict/${name}`, { at: asked.length + i, body, key }),
        ),
      )
      asked.push(...answers.map((answer, i) => ({ ...answer, sentTo: this.send(all[i] as Sent) })))
      await this.settled()
    }
    for (const event of events) {
      if (event.topic !== undefined && event.topic !== source.topic) {
        await round()
        await this.#update(event)
        continue
      }
      const partition = partitionOf(
        { partition: null, key: Buffer.from(event.key) },
        this.#partitions,
      )
      if (together.has(partition)) await round()
      together.set(partition, event)
    }
    await round()
    const wrote = this.#written()
    return asked.map((answer) => {
      const { partition, offset } = answer.sentTo
      const found = wrote.get(`${partition}/${offset}`) ?? []
      const dead = found.flatMap(({ code }) => code ?? [])[0]
      const own = found.filter(({ code }) => code === undefined)
      return { ...answer, dead, wrote: own.map(({ value }) => value) }
    })
  }

  /** Sends a row of a table. Resolves when every worker has it. */
  async #update(row: Sent): Promise<void> {
    this.send(row)
    const { topic = '' } = row
    const ends = this.records.read(topic).length
    while (this.#rowsRead.some((read) => (read.get(topic) ?? 0) < ends))
      await once(this.#reads, 'read')
  }

  /** By partition and offset of the record, what was written of it. */
  #written() {
    const found = new Map<string, { value: unknown; code: string | undefined }[]>()
    for (const topic of outputTopics(this.#definition)) {
      for (const record of this.records.read(topic)) {
        const code = headerOf(record, 'tidemark.code')
        const [, of, at] = headerOf(record, 'tidemark-id')?.split('/') ?? []
        const partition = of ?? headerOf(record, '__streams.errors.partition')
        const offset = at ?? headerOf(record, '__streams.errors.offset')
        const value = code === undefined ? (JSON.parse(String(record.value)) as unknown) : null
        const place = `${partition}/${offset}`
        found.set(place, [...(found.get(place) ?? []), { value, code }])
      }
    }
    return found
  }

  async close(): Promise<void> {
    this.#agent.destroy()
    for (const close of this.#closing.splice(0)) await close()
  }
}

/** A text as Node takes it for a header: a letter for each byte. */
function inHeader(text: string): string {
  return Buffer.from(text).toString('latin1')
}

/** Is the answer what the stream then wrote? */
export function expectSame({ status, body, wrote, dead, sentTo }: Asked): void {
  if (dead !== undefined) {
    expect([status, body.code]).toEqual([422, dead])
    return
  }
  expect([status, body]).toEqual([200, expect.anything()])
  expect(body.outputs?.map(({ value }) => value)).toEqual(wrote)
  expect(body.asOf).toMatchObject({ partition: sentTo.partition, offset: sentTo.offset })
  const [first] = wrote
  if (first === undefined) expect(body.why).toMatch(/^(duplicate|late|skipped)$/)
  else {
    const { features, score, model, route } = body
    const said = { features, score, model, route, ...(score as object) }
    const both = Object.entries(first as object).filter(([name]) => name in said)
    expect(said).toEqual({ ...said, ...Object.fromEntries(both) })
  }
}

import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { onTestFinished } from 'vitest'
import type { KafkaNode, OwnKafka } from './from-maven.ts'

// A wire between clients and brokers that fails when it is told to, and says what has passed over
// it.

/** By what number Kafka knows a kind of request. */
export const API = {
  produce: 0,
  fetch: 1,
  listOffsets: 2,
  metadata: 3,
  offsetCommit: 8,
  offsetFetch: 9,
  findCoordinator: 10,
  joinGroup: 11,
  heartbeat: 12,
  leaveGroup: 13,
  syncGroup: 14,
  initProducerId: 22,
  addPartitionsToTxn: 24,
  addOffsetsToTxn: 25,
  endTxn: 26,
  txnOffsetCommit: 28,
} as const

/** A request that came, and what became of it. Times are of `performance.now()`. */
export interface Exchange {
  readonly node: number
  readonly connection: number
  readonly api: number
  readonly version: number
  readonly bytes: number
  /** The first bytes of what follows the client id. */
  readonly body: Buffer
  /** When it went on to the broker. */
  forwardedMs: number | null
  /** When the answer went on to the client. */
  answeredMs: number | null
}

/** Which request: the nth from now on that is of that kind. */
interface Which {
  /** @default 1 */
  readonly nth?: number
  /** Only those are counted; all that follows the client id is there. @default all */
  readonly where?: (body: Buffer) => boolean
}

type Kind = 'cut' | 'hold' | 'alter' | 'lose reply' | 'halve reply' | 'hold reply' | 'alter reply'

/** Something that goes wrong, once. */
export interface Fault {
  /** With what it went wrong. */
  readonly happened: Promise<Exchange>
  /** Lets go what is held. */
  readonly release: () => void
}

type Alter = (body: Buffer, exchange: Exchange) => void

interface Armed extends Fault {
  readonly kind: Kind
  readonly api: number
  readonly where: (body: Buffer) => boolean
  toCome: number
  readonly happens: (exchange: Exchange) => void
  readonly released: Promise<void>
  readonly alter: Alter
}

const KEPT_BYTES = 512
/** Connections that share a slow link take turns after so many bytes. */
const LINK_BYTES = 4_096

/**
 * Stands before the nodes of a Kafka: who is given {@link brokers} reaches them through this wire
 * only.
 */
export class FaultyWire {
  readonly brokers: string[]
  /** Exchanges whose requests have gone on to a broker, in that order. */
  readonly passed: Exchange[] = []
  readonly #nodes: readonly NodeWire[]
  readonly #faults = new Set<Armed>()

  /** Until the test is over. */
  static async before(kafka: OwnKafka): Promise<FaultyWire> {
    const wire = new FaultyWire(kafka.nodes)
    onTestFinished(async () => {
      await Promise.all(wire.#nodes.map((node) => node.down()))
    })
    await Promise.all(wire.#nodes.map((node) => node.up()))
    return wire
  }

  private constructor(nodes: readonly KafkaNode[]) {
    this.brokers = nodes.map(({ proxied }) => `127.0.0.1:${proxied.advertisedPort}`)
    const onRequest = (exchange: Exchange, body: Buffer) => this.#faultOf(exchange, body)
    const onForward = (exchange: Exchange) => this.passed.push(exchange)
    this.#nodes = nodes.map((node) => new NodeWire(node, { onRequest, onForward }))
  }

  /** The wire to one node. @throws RangeError when there is no such node */
  node(id: number): NodeWire {
    const found = this.#nodes[id - 1]
    if (found === undefined) throw new RangeError(`no node ${id}`)
    return found
  }

  passedOf(api: number): readonly Exchange[] {
    return this.passed.filter((exchange) => exchange.api === api)
  }

  /** The connection ends instead of the request going on. */
  cut(api: number, which?: Which): Fault {
    return this.#arm('cut', api, which)
  }

  /** The broker does it, and the connection ends instead of the answer going on. */
  loseReply(api: number, which?: Which): Fault {
    return this.#arm('lose reply', api, which)
  }

  /** The broker does it, and the connection ends when half of the answer has gone on. */
  halveReply(api: number, which?: Which): Fault {
    return this.#arm('halve reply', api, which)
  }

  /**
   * The request, and what follows it on its connection, goes on only when released, even if the
   * client has hung up by then.
   */
  hold(api: number, which?: Which): Fault {
    return this.#arm('hold', api, which)
  }

  /** The answer, and those that follow it on its connection, goes on only when released. */
  holdReply(api: number, which?: Which): Fault {
    return this.#arm('hold reply', api, which)
  }

  /** The request is changed before it goes on: what follows the client's id is there. */
  alter(api: number, alter: Alter, which?: Which): Fault {
    return this.#arm('alter', api, { ...which, alter })
  }

  /** The broker does it, and its answer is changed: what follows the correlation id is there. */
  alterReply(api: number, alter: Alter, which?: Which): Fault {
    return this.#arm('alter reply', api, { ...which, alter })
  }

  #arm(
    kind: Kind,
    api: number,
    { nth = 1, where = () => true, alter = () => {} }: Which & { readonly alter?: Alter } = {},
  ): Fault {
    const [happened, happens] = signal<Exchange>()
    const [released, release] = signal<void>()
    const ways = { happened, happens, released, release }
    const fault: Armed = { kind, api, where, toCome: nth, alter, ...ways }
    this.#faults.add(fault)
    return fault
  }

  #faultOf({ api }: Exchange, body: Buffer): Armed | null {
    for (const fault of this.#faults) {
      if (fault.api !== api || !fault.where(body)) continue
      fault.toCome--
      if (fault.toCome > 0) continue
      this.#faults.delete(fault)
      return fault
    }
    return null
  }
}

interface Hooks {
  readonly onRequest: (exchange: Exchange, body: Buffer) => Armed | null
  readonly onForward: (exchange: Exchange) => void
}

let connections = 0

/** The wire to one node. */
class NodeWire {
  readonly #node: KafkaNode
  readonly #hooks: Hooks
  readonly #server = createServer((client) => this.#join(client))
  readonly #sockets = new Set<Socket>()
  #goesOn = Promise.resolve()
  #link: Link | null = null

  constructor(node: KafkaNode, hooks: Hooks) {
    this.#node = node
    this.#hooks = hooks
  }

  /** Ends all connections. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  /** Ends all connections, and none is taken any more until {@link up}. */
  async down(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    this.cut()
    await closed
  }

  async up(): Promise<void> {
    this.#server.listen(this.#node.proxied.advertisedPort, '127.0.0.1')
    await once(this.#server, 'listening')
  }

  /**
   * Connections are taken and stay, but nothing goes on over them, either way, until the function
   * returned is called.
   */
  hang(): () => void {
    const [released, release] = signal<void>()
    this.#goesOn = released
    return release
  }

  /**
   * From now on requests, of all connections together, are carried at so many bytes a second;
   * `null`: at once.
   */
  limit(bytesPerSecond: number | null): void {
    this.#link = bytesPerSecond === null ? null : new Link(bytesPerSecond)
  }

  #join(client: Socket): void {
    const broker = connect({ host: '127.0.0.1', port: this.#node.proxied.port })
    for (const socket of [client, broker]) {
      this.#sockets.add(socket)
      // The error also ends the loop that reads the socket.
      socket.on('error', () => {}).once('close', () => this.#sockets.delete(socket))
    }
    const line: Line = { id: ++connections, client, broker, unanswered: new Map() }
    void this.#requests(line).finally(() => broker.end())
    void this.#replies(line).finally(() => client.destroy())
  }

  async #requests(line: Line): Promise<void> {
    for await (const frame of frames(line.client)) {
      const { exchange, body } = this.#read(frame, line.id)
      const fault = this.#hooks.onRequest(exchange, body)
      if (fault?.kind === 'cut') return end(line, fault, exchange)
      if (fault?.kind === 'hold') {
        fault.happens(exchange)
        await fault.released
      }
      if (fault?.kind === 'alter') {
        fault.happens(exchange)
        fault.alter(body, exchange)
      }
      await this.#goesOn
      exchange.forwardedMs = performance.now()
      this.#hooks.onForward(exchange)
      line.unanswered.set(frame.readInt32BE(8), { exchange, fault })
      await this.#carry(frame, line)
    }
  }

  /** Writes a frame at the pace of the link, and drops the rest when the client hangs up. */
  async #carry(frame: Buffer, { client, broker }: Line): Promise<void> {
    const link = this.#link
    if (link === null) return void broker.write(frame)
    for (let at = 0; at < frame.length && !client.destroyed; at += LINK_BYTES) {
      const slice = frame.subarray(at, at + LINK_BYTES)
      await link.take(slice.length)
      if (!client.destroyed) broker.write(slice)
    }
    if (client.destroyed) broker.destroy()
  }

  async #replies(line: Line): Promise<void> {
    for await (const frame of frames(line.broker)) {
      const correlationId = frame.readInt32BE(4)
      const { exchange, fault } = line.unanswered.get(correlationId) as Unanswered
      line.unanswered.delete(correlationId)
      if (fault?.kind === 'lose reply') return end(line, fault, exchange)
      if (fault?.kind === 'halve reply') {
        await new Promise((resolve) =>
          line.client.write(frame.subarray(0, frame.length / 2), resolve),
        )
        return end(line, fault, exchange)
      }
      if (fault?.kind === 'hold reply') {
        fault.happens(exchange)
        await fault.released
      }
      if (fault?.kind === 'alter reply') {
        fault.alter(frame.subarray(8), exchange)
        fault.happens(exchange)
      }
      await this.#goesOn
      exchange.answeredMs = performance.now()
      line.client.write(frame)
    }
  }

  /** Size, kind, version, correlation id, client id; then what differs by kind and version. */
  #read(frame: Buffer, connection: number): { exchange: Exchange; body: Buffer } {
    const body = frame.subarray(14 + Math.max(frame.readInt16BE(12), 0))
    const exchange = {
      node: this.#node.id,
      connection,
      api: frame.readInt16BE(4),
      version: frame.readInt16BE(6),
      bytes: frame.length,
      body: Buffer.from(body.subarray(0, KEPT_BYTES)),
      forwardedMs: null,
      answeredMs: null,
    }
    return { exchange, body }
  }
}

/** A slow link, which its connections share. */
class Link {
  readonly #bytesPerMs: number
  /** When what was taken so far has been carried. */
  #freeMs = 0

  constructor(bytesPerSecond: number) {
    this.#bytesPerMs = bytesPerSecond / 1_000
  }

  /** Resolves when so many more bytes have been carried. */
  async take(bytes: number): Promise<void> {
    this.#freeMs = Math.max(this.#freeMs, performance.now()) + bytes / this.#bytesPerMs
    await sleep(this.#freeMs - performance.now())
  }
}

interface Unanswered {
  readonly exchange: Exchange
  readonly fault: Armed | null
}

/** One connection, both halves of it. */
interface Line {
  readonly id: number
  readonly client: Socket
  readonly broker: Socket
  /** By correlation id. */
  readonly unanswered: Map<number, Unanswered>
}

function end({ client, broker }: Line, fault: Armed, exchange: Exchange): void {
  client.destroy()
  broker.destroy()
  fault.happens(exchange)
}

/** Requests or answers, each whole with the size before it, until the connection ends. */
async function* frames(socket: Socket): AsyncGenerator<Buffer> {
  let got = Buffer.alloc(0)
  try {
    for await (const bytes of socket) {
      got = Buffer.concat([got, bytes as Buffer])
      while (got.length >= 4 && got.length >= 4 + got.readInt32BE(0)) {
        const length = 4 + got.readInt32BE(0)
        yield got.subarray(0, length)
        got = got.subarray(length)
      }
    }
  } catch {
    // However it ended.
  }
}

function signal<T>(): readonly [happened: Promise<T>, happens: (value: T) => void] {
  let happens: (value: T) => void = () => {}
  const happened = new Promise<T>((resolve) => {
    happens = resolve
  })
  return [happened, happens]
}

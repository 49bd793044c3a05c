import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { KafkaNode } from './from-maven.ts'
import { ThrottleTap } from './throttle-tap.ts'

// Lines between clients and the nodes of a Kafka that become slow, end or fall silent. They pass
// bytes on as they come and know nothing of requests; faulty-wire.ts is the wire on which a single
// request goes wrong.

/** Which way bytes go. */
export type Way = 'to broker' | 'to client'

const BOTH: readonly Way[] = ['to broker', 'to client']

export interface LinkCounts {
  /** Connections that were reset. */
  resets: number
  /** Connections that the broker did not take, or ended. */
  endedByBroker: number
  /** How long bytes have waited because the link was slow, ms. */
  slowedMs: number
  /** Bytes that a black hole has held. */
  heldBytes: number
  /** The time that brokers have said they throttled writes by, ms. */
  throttledMs: number
}

/** All ways from clients to one node: who is given its address reaches the node through it only. */
export class Link {
  readonly counts: LinkCounts = {
    ...{ resets: 0, endedByBroker: 0, slowedMs: 0, heldBytes: 0, throttledMs: 0 },
  }
  /** `host:port`, where the node sends its clients. */
  readonly address: string
  readonly #node: KafkaNode
  readonly #server = createServer((client) => this.#join(client))
  readonly #sockets = new Set<Socket>()
  readonly #hole: Record<Way, Promise<void> | null> = { 'to broker': null, 'to client': null }
  /** When the last byte that was let on is through, of `performance.now()`. */
  readonly #throughMs: Record<Way, number> = { 'to broker': 0, 'to client': 0 }
  readonly #bytesPerSecond: Record<Way, number> = {
    'to broker': Number.POSITIVE_INFINITY,
    'to client': Number.POSITIVE_INFINITY,
  }

  constructor(node: KafkaNode) {
    this.#node = node
    this.address = `127.0.0.1:${node.proxied.advertisedPort}`
  }

  async up(): Promise<void> {
    this.#server.listen(this.#node.proxied.advertisedPort, '127.0.0.1')
    await once(this.#server, 'listening')
  }

  async down(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  /** Ends all connections as a firewall does that has forgotten them. */
  reset(): void {
    for (const socket of this.#sockets) {
      this.counts.resets++
      socket.resetAndDestroy()
    }
  }

  /** All connections share so much each of these ways, until the function returned is called. */
  slow(bytesPerSecond: number, ways: readonly Way[] = BOTH): () => void {
    for (const way of ways) this.#bytesPerSecond[way] = bytesPerSecond
    return () => {
      for (const way of ways) this.#bytesPerSecond[way] = Number.POSITIVE_INFINITY
    }
  }

  /**
   * Holds all bytes sent that way until the function returned is called. Then they arrive, because
   * TCP sends again.
   */
  blackHole(way: Way): () => void {
    let heal = () => {}
    this.#hole[way] = new Promise<void>((resolve) => {
      heal = resolve
    })
    return () => {
      this.#hole[way] = null
      heal()
    }
  }

  #join(client: Socket): void {
    const broker = connect({ host: '127.0.0.1', port: this.#node.proxied.port })
    broker.once('close', () => {
      if (!client.destroyed) this.counts.endedByBroker++
    })
    for (const socket of [client, broker]) {
      this.#sockets.add(socket)
      socket.setNoDelay(true)
      socket.on('error', () => {}).once('close', () => this.#sockets.delete(socket))
    }
    const tap = new ThrottleTap((ms) => {
      this.counts.throttledMs += ms
    })
    for (const way of BOTH) {
      const [from, to] = way === 'to broker' ? [client, broker] : [broker, client]
      void this.#pass(way, { from, to, tap })
    }
  }

  /** Passes bytes on until either end is gone. */
  async #pass(way: Way, { from, to, tap }: { from: Socket; to: Socket; tap: ThrottleTap }) {
    try {
      for await (const bytes of from as AsyncIterable<Buffer>) {
        if (way === 'to broker') tap.toBroker(bytes)
        else tap.toClient(bytes)
        await this.#delay(way, bytes.length)
        if (!to.write(bytes)) await Promise.race([once(to, 'drain'), once(to, 'close')])
      }
    } catch {
      // However it ended.
    }
    to.destroy()
  }

  async #delay(way: Way, bytes: number): Promise<void> {
    const hole = this.#hole[way]
    if (hole !== null) {
      this.counts.heldBytes += bytes
      await hole
    }
    const bytesPerSecond = this.#bytesPerSecond[way]
    if (bytesPerSecond === Number.POSITIVE_INFINITY) return
    const nowMs = performance.now()
    const throughMs = Math.max(this.#throughMs[way], nowMs) + (bytes / bytesPerSecond) * 1_000
    this.#throughMs[way] = throughMs
    this.counts.slowedMs += throughMs - nowMs
    await sleep(throughMs - nowMs)
  }
}

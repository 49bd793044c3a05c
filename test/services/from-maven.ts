import { execFile, execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { areInSync, areUp, ready, until } from './cluster.ts'
import type { KafkaPlace, KafkaService, Secure } from './kafka.ts'
import { freePorts } from './ports.ts'

// A Kafka of the tests' own from Maven's jars, whose nodes can be made to fail (broker.sh).

export interface RunningKafka {
  readonly service: KafkaService
  /** How it was had, for the progress line. */
  readonly way: string
  readonly stop: () => Promise<void>
}

/** One whose nodes can be gone for a while. */
export interface OwnKafka extends RunningKafka {
  readonly place: KafkaPlace
  readonly nodes: readonly KafkaNode[]
  /** @throws RangeError when there is no such node */
  readonly node: (id: number) => KafkaNode
  /** Resolves when all nodes are up, and every replica of every partition is in sync. */
  readonly inSync: () => Promise<void>
}

export interface KafkaNode {
  /** 1, 2, 3. */
  readonly id: number
  /** `host:port` without security. */
  readonly address: string
  /**
   * Where it listens for a proxy, and where clients of that listener are sent: nobody listens there
   * yet.
   */
  readonly proxied: { readonly port: number; readonly advertisedPort: number }
  /** Its own folder; what it holds is in `data`. */
  readonly dir: string
  /** Stops it in order; it keeps what it holds. */
  readonly halt: () => void
  /** Ends it at once, as `kill -9` does. */
  readonly kill: () => void
  /** Starts it again on what it held; resolves when it answers and is part of the cluster. */
  readonly restart: () => Promise<void>
  /** It does nothing any more, and its connections stay open, until {@link resume}. */
  readonly pause: () => void
  readonly resume: () => void
  /** Does one of broker.sh's commands, and does not hold this process up meanwhile. */
  readonly tell: (command: 'halt' | 'kill' | 'fill' | 'free') => Promise<void>
}

export interface OwnKafkaOptions {
  /**
   * With three, topics have three replicas of which two must be in sync, unless they are made
   * otherwise. @default 1
   */
  readonly nodes?: 1 | 3
  /**
   * Each node has a disk of its own of that size, which it can be told to `fill` and `free`; needs
   * root. @default they share the machine's
   */
  readonly diskMb?: number
  /** Broker settings by Kafka's names. */
  readonly settings?: Readonly<Record<string, string>>
  /** Whether it has only the transaction protocol before KIP-890. @default false */
  readonly hasOldTransactions?: boolean
  /** Options for the brokers' JVM. @default none */
  readonly javaOptions?: string
}

/** Ports of a node, in the order of broker.sh. */
const PORTS = 5
const SCRIPT = join(import.meta.dirname, 'broker.sh')

/** @throws Error when Java or Maven is missing and cannot be installed */
export async function startFromMaven(options: OwnKafkaOptions = {}): Promise<OwnKafka> {
  const place = await startAt(options)
  const kafka = kafkaAt(place)
  try {
    await up(kafka.nodes)
  } catch (error) {
    await kafka.stop()
    throw error
  }
  return kafka
}

/** @throws Error with the ends of their logs when they do not come up */
async function up(nodes: readonly Pick<KafkaNode, 'address' | 'dir'>[]): Promise<void> {
  const addresses = nodes.map(({ address }) => address)
  try {
    await until('up', () => areUp(addresses))
    await ready(addresses)
  } catch (error) {
    const logs = nodes.map(({ dir }) => readFileSync(join(dir, 'broker.log'), 'utf8'))
    throw new Error(logs.map((log) => log.slice(-1_000)).join('\n'), { cause: error })
  }
}

async function startAt({
  nodes = 1,
  diskMb,
  settings = {},
  hasOldTransactions = false,
  javaOptions,
}: OwnKafkaOptions): Promise<KafkaPlace> {
  const dir = mkdtempSync(join(tmpdir(), 'tidemark-kafka-'))
  const ports = await freePorts(nodes * PORTS)
  const env = {
    ...process.env,
    ...(diskMb === undefined ? {} : { TIDEMARK_DISK_MB: String(diskMb) }),
    ...(hasOldTransactions ? { TIDEMARK_TEST_OLD_TRANSACTIONS: '1' } : {}),
    ...(javaOptions === undefined ? {} : { JDK_JAVA_OPTIONS: javaOptions }),
    TIDEMARK_BROKER_SETTINGS: Object.entries(settings)
      .map(([name, value]) => `${name}=${value}`)
      .join('\n'),
  }
  try {
    await promisify(execFile)(SCRIPT, ['start', dir, ...ports.map(String)], { env })
    // Nothing stops it after a second interrupt, or a kill -9.
    const guard = ['guard', dir, String(process.pid)]
    spawn(SCRIPT, guard, { detached: true, stdio: 'ignore' }).unref()
  } catch (error) {
    script(['stop', dir])
    throw error
  }
  return { dir, ports }
}

/** One that was started, by this process or another. */
export function kafkaAt(place: KafkaPlace): OwnKafka {
  const { dir, ports } = place
  const nodes = Array.from({ length: ports.length / PORTS }, (_, i) =>
    nodeOf(dir, i + 1, ports.slice(i * PORTS, (i + 1) * PORTS)),
  )
  const addresses = nodes.map(({ address }) => address)
  return {
    service: { brokers: addresses, secure: secureListener(dir, ports) },
    way: `Java, ${nodes.length === 1 ? 'one node' : `${nodes.length} nodes`} in ${dir}`,
    stop: async () => script(['stop', dir]),
    place,
    nodes,
    node: (id) => {
      const found = nodes[id - 1]
      if (found === undefined) throw new RangeError(`no node ${id}`)
      return found
    },
    inSync: async () => {
      const whole = async () => (await areUp(addresses)) && (await areInSync(addresses))
      await until('in sync', whole)
    },
  }
}

function nodeOf(
  dir: string,
  id: number,
  [plain = 0, , , port = 0, advertisedPort = 0]: readonly number[],
): KafkaNode {
  const at = { address: `127.0.0.1:${plain}`, dir: join(dir, String(id)) }
  const told = (command: string) => () => script([command, dir, String(id)])
  return {
    id,
    ...at,
    proxied: { port, advertisedPort },
    halt: told('halt'),
    kill: told('kill'),
    restart: async () => {
      script(['restart', dir, String(id)])
      await up([at])
    },
    pause: told('pause'),
    resume: told('resume'),
    tell: async (command) => {
      await promisify(execFile)(SCRIPT, [command, dir, String(id)])
    },
  }
}

function secureListener(dir: string, ports: readonly number[]): Secure {
  return {
    brokers: ports.filter((_, i) => i % PORTS === 2).map((port) => `127.0.0.1:${port}`),
    caFile: join(dir, 'ca.pem'),
    username: 'tidemark',
    password: 'tidemark',
  }
}

function script(args: readonly string[]): void {
  execFileSync(SCRIPT, args, { encoding: 'utf8', stdio: ['ignore', 'ignore', 'pipe'] })
}

import { setTimeout as sleep } from 'node:timers/promises'
import { createClient, createCluster, ErrorReply, type RedisClientOptions } from 'redis'
import { configFault, messageOf, TidemarkError } from '../../kernel/errors.ts'
import { tlsFault } from '../../kernel/tls.ts'

// Redis: one server, or a cluster. No other file imports its client.

/** How to reach Redis. */
export interface RedisOptions {
  /** `redis://` or, with TLS, `rediss://`, without a password; of a cluster some of its nodes. */
  readonly urls: readonly string[]
  readonly password: string | null
  /** CA certificates, PEM. `null`: those that Node trusts. */
  readonly ca: string | null
  /** Client certificate, PEM, and its private key. @default none */
  readonly cert?: string | null
  readonly key?: string | null
}

/** Longest time for a connection, ms. */
const CONNECT_MS = 5_000
/** A connection without an answer for this time is made again, ms. */
const SILENT_MS = 3_000
/** Without an answer for this time Redis is failing, ms. */
const SLOW_MS = 500
/** A wait has parts, because no answer is read in one turn of the event loop, however long, ms. */
const PART_MS = 100
/** It is failing until nothing has failed for this time, ms. */
const CALM_MS = 2_000
const PING_MS = 1_000
/** Longest wait between two attempts to connect, ms. */
const RECONNECT_MS = 1_000

/** A value of a sink. */
export interface Versioned {
  readonly key: string
  /** The key of its version, in the same slot of a cluster. */
  readonly versionKey: string
  readonly value: Buffer
  /** Versions of a key are ordered as text. */
  readonly version: string
  /** `null`: it stays for ever. */
  readonly ttlMs: number | null
}

/** Keys: of the value and of its version. Arguments: the value, its version, its TTL or 0. */
const KEEP_NEWEST = `
local before = redis.call('GET', KEYS[2])
if before and before > ARGV[2] then return 0 end
if ARGV[3] == '0' then
  redis.call('SET', KEYS[1], ARGV[1])
  redis.call('SET', KEYS[2], ARGV[2])
else
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
  redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
end
return 1`

/** The client of one server. That of a cluster has the same methods, as far as they are called. */
type Client = ReturnType<typeof createClient>

/** A connection to Redis, shared by a worker's stores. */
export class Redis {
  readonly #o: RedisOptions
  readonly #closed = new AbortController()
  #client: Client | null = null
  #isCluster = false
  #trying: Promise<void> | null = null
  /** The last failure. */
  #reason = 'it is not connected'
  /** Kinds of failures that were reported after all was well. */
  readonly #reported = new Set<string>()
  #report: (reason: string | null) => unknown = () => {}
  #calm: NodeJS.Timeout | undefined

  constructor(options: RedisOptions) {
    this.#o = options
  }

  /**
   * Connects. While nothing answers it goes on trying, and commands fail.
   * @param report called with a reason when it fails, perhaps during this call, once for each kind;
   * with `null` when it is well again @default nothing is reported
   * @throws TidemarkError `AUTHENTICATION` · `CONFIG_INVALID`: a certificate, or TLS on one side only
   */
  async connect(report = this.#report): Promise<void> {
    if (this.#client !== null || this.#trying !== null) return
    this.#report = report
    try {
      await this.#open()
    } catch (thrown) {
      const refusal = await this.#refusalOf(thrown)
      if (refusal !== null) throw refusal
      this.#failed(thrown)
      this.#trying = this.#tryOn()
    }
  }

  /** In the order of the keys: a text, `null` for none, or why it could not be read. */
  async get(keys: readonly string[]): Promise<readonly (string | null | Error)[]> {
    const client = this.#ready()
    const each = (some: readonly string[]) =>
      this.#answered(some.map((key) => client.get(key).catch((thrown) => this.#errorOf(thrown))))
    // MGET costs the client a third of as many GETs. A cluster refuses it: keys are in several slots.
    if (this.#isCluster || keys.length === 0) return each(keys)
    const [answers = []] = await this.#answered([client.mGet([...keys])])
    const absent = keys.filter((_, i) => answers[i] === null)
    // MGET has nothing for a key of another type either; GET says what is wrong.
    const others = absent.length === 0 ? 0 : await client.exists(absent).catch(() => 0)
    if (others === 0) return answers
    const named = new Map((await each(absent)).map((answer, i) => [absent[i], answer]))
    return keys.map((key, i) => answers[i] ?? named.get(key) ?? null)
  }

  async set(values: readonly (readonly [key: string, text: string])[], ttlMs: number) {
    const client = this.#ready()
    await this.#answered(values.map(([key, text]) => client.set(key, text, { PX: ttlMs })))
  }

  /** Writes each value unless its key has a later one. Resolves when all are acknowledged. */
  async keepNewest(values: readonly Versioned[]): Promise<void> {
    const client = this.#ready()
    await this.#answered(
      values.map(({ key, versionKey, value, version, ttlMs }) =>
        client.eval(KEEP_NEWEST, {
          keys: [key, versionKey],
          arguments: [value, version, String(ttlMs ?? 0)],
        }),
      ),
    )
  }

  async close(): Promise<void> {
    this.#closed.abort()
    clearTimeout(this.#calm)
    await this.#trying
    this.#client?.destroy()
    this.#client = null
  }

  #ready(): Client {
    if (this.#client === null) throw this.#errorOf(null)
    return this.#client
  }

  /** The error of a command. */
  #errorOf(thrown: unknown): Error {
    if (thrown instanceof TypeError) return thrown
    if (!(thrown instanceof ErrorReply)) return new Error(`Redis does not answer (${this.#reason})`)
    if (!thrown.message.startsWith('WRONGTYPE')) this.#failed(thrown)
    return thrown
  }

  #failed(thrown: unknown): void {
    this.#reason = reasonOf(thrown)
    // All nodes of a cluster may fail alike.
    const kind = this.#reason.replaceAll(/\S+:\d+/g, '')
    if (!this.#reported.has(kind)) this.#report(this.#reason)
    this.#reported.add(kind)
    this.#awaitCalm()
  }

  #awaitCalm(): void {
    clearTimeout(this.#calm)
    if (this.#closed.signal.aborted) return
    this.#calm = setTimeout(() => {
      if (!isReady(this.#client)) return this.#awaitCalm()
      this.#reported.clear()
      this.#report(null)
    }, CALM_MS).unref()
  }

  /** Connects to the first address that answers, or to all nodes of its cluster. */
  async #open(): Promise<void> {
    const { urls } = this.#o
    const isCluster = (await this.#modeOf(urls)) === 'cluster'
    let fault: Error | undefined
    // Lost connections are made again; one that cannot be made at first ends the attempt.
    const reconnectStrategy = (tries: number) =>
      this.#client === client && Math.min(50 * 2 ** tries, RECONNECT_MS)
    const options = urls.map((url) => this.#options(url, { reconnectStrategy }))
    const [first] = options as [RedisClientOptions]
    const client = (isCluster
      ? createCluster({ rootNodes: options, defaults: first })
      : createClient(first)) as unknown as Client
    const failed = (thrown: Error) => {
      if (this.#client === client) this.#failed(thrown)
      else if (fault?.cause === undefined) fault = thrown
    }
    client.on('error', failed)
    client.on('node-error', (cause: unknown, { host, port }: Record<'host' | 'port', string>) =>
      failed(new Error(`node ${host}:${port} of the cluster: ${reasonOf(cause)}`, { cause })),
    )
    try {
      await client.connect()
      // A node that has failed at one address of the cluster is left out at the next.
      if (!isReady(client)) throw fault ?? new Error('it closed the connection')
    } catch (thrown) {
      client.destroy()
      throw fault ?? thrown
    }
    this.#isCluster = isCluster
    this.#client = client
  }

  /** Makes the connection again if it gives no answer: a socket's timeout ends none that is written to. */
  async #answered<T>(commands: readonly Promise<T>[]): Promise<T[]> {
    const client = this.#client
    let waitedMs = 0
    const timer = setInterval(() => {
      waitedMs += PART_MS
      if (client === null || client !== this.#client || waitedMs < SLOW_MS) return
      this.#failed(new Error(NO_ANSWER))
      if (waitedMs < SILENT_MS) return
      this.#client = null
      client.destroy()
      this.#trying = this.#tryOn()
    }, PART_MS)
    try {
      return await Promise.all(commands)
    } catch (thrown) {
      throw this.#errorOf(thrown)
    } finally {
      clearInterval(timer)
    }
  }

  /** `cluster`, `standalone` or `sentinel`. */
  async #modeOf([url, ...others]: readonly string[]): Promise<unknown> {
    const client = createClient(this.#options(url as string, { reconnectStrategy: false }))
    client.on('error', () => undefined)
    try {
      await client.connect()
      const hello: unknown = await client.sendCommand(['HELLO'])
      return (hello as { readonly mode?: unknown }).mode
    } catch (thrown) {
      if (others.length === 0 || thrown instanceof ErrorReply) throw thrown
      return await this.#modeOf(others)
    } finally {
      if (client.isOpen) client.destroy()
    }
  }

  /** Tries until it is connected, or closed. */
  async #tryOn(): Promise<void> {
    const { signal } = this.#closed
    while (this.#client === null && !signal.aborted) {
      await sleep(RECONNECT_MS, undefined, { signal }).catch(() => undefined)
      if (!signal.aborted) await this.#open().catch((thrown) => this.#failed(thrown))
    }
  }

  #options(url: string, socket: NonNullable<RedisClientOptions['socket']>): RedisClientOptions {
    const { password, ca, cert, key } = this.#o
    const { hostname, port, username, pathname, protocol } = new URL(url)
    const database = Number(pathname.slice(1))
    const common = { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || 6379), ...socket }
    const timeouts = { connectTimeout: CONNECT_MS, socketTimeout: SILENT_MS }
    const files = { ...(ca !== null && { ca }), ...(cert && key && { cert, key }) }
    const tls = protocol === 'rediss:' ? { tls: true, ...files } : {}
    return {
      socket: { ...common, ...timeouts, ...tls },
      ...(username !== '' && { username: decodeURIComponent(username) }),
      ...(password !== null && { password }),
      ...(database > 0 && { database }),
      disableOfflineQueue: true,
      // An abort signal for each command would cost as much as the command.
      commandOptions: { timeout: 0 },
      pingInterval: PING_MS,
      maintNotifications: 'disabled',
    }
  }

  /** Why trying again would not help; `null`: it may. */
  async #refusalOf(thrown: unknown): Promise<TidemarkError | null> {
    const url = this.#o.urls[0] as string
    const where = SETTING
    const reason = reasonOf(thrown)
    const message = `Redis: ${reason}`
    if (/\b(WRONGPASS|NOAUTH|NOPERM|ERR AUTH|ERR invalid password)/.test(reason)) {
      const hint =
        'the user is in the URL, redis://USER@host:6379; the password is in TIDEMARK_REDIS_PASSWORD or --redis-password-file'
      return new TidemarkError('AUTHENTICATION', message, { where, hint })
    }
    const { cause = thrown } = thrown as Error
    const fault = tlsFault(cause, SETTING)
    if (fault !== null) return configFault(message, where, fault.hint)
    if (cause !== thrown || reason.includes('ECONNREFUSED')) return null
    const isTls = url.startsWith('rediss:')
    const other = new URL(url.replace(/^rediss?:/, isTls ? 'redis:' : 'rediss:'))
    other.username = ''
    // Without the password, which must not travel without TLS.
    const stranger = new Redis({ urls: [other.href], password: null, ca: this.#o.ca })
    const answers = (why: unknown) =>
      why instanceof ErrorReply || /certificate/.test(tlsFault(why, SETTING)?.what ?? '')
    if (!(await stranger.#modeOf([other.href]).then(() => true, answers))) return null
    const [wording, hint] = isTls
      ? ['Redis does not speak TLS', 'write redis://']
      : ['Redis speaks TLS only', 'write rediss://']
    return configFault(wording, where, hint)
  }
}

/** Whether all connections that it needs are there. */
function isReady(client: Client | null): boolean {
  const { masters } = (client ?? {}) as { masters?: readonly { client?: Client }[] }
  return masters?.every((node) => node.client?.isReady === true) ?? client?.isReady === true
}

function reasonOf(thrown: unknown): string {
  // One error for each address of a name.
  const message = messageOf(thrown instanceof AggregateError ? thrown.errors[0] : thrown)
  return (
    tlsFault(thrown, SETTING)?.what ?? message.replace(/^(Connection|Socket) timeout.*/, NO_ANSWER)
  )
}

const NO_ANSWER = 'no answer'
const SETTING = '--redis'

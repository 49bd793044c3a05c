import { setTimeout as sleep } from 'node:timers/promises'
import { createClient, createCluster, ErrorReply, type RedisClientOptions } from 'redis'
import { messageOf, TidemarkError } from '../kernel/errors.ts'

// Redis: one server, or a cluster. No other file imports its client.

/** How to reach Redis. */
export interface RedisOptions {
  /** `redis://` or, with TLS, `rediss://`, without a password; of a cluster some of its nodes. */
  readonly urls: readonly string[]
  readonly password: string | null
  /** CA certificates, PEM. `null`: those that Node trusts. */
  readonly ca: string | null
}

/** Longest time for a connection, ms. */
const CONNECT_MS = 5_000
/** A connection without an answer for this time is made again, ms. */
const SILENT_MS = 3_000
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

  constructor(options: RedisOptions) {
    this.#o = options
  }

  /**
   * Connects. While nothing answers it goes on trying, and commands fail.
   * @returns why nothing answers; `null`: it is connected, or was told before
   * @throws TidemarkError `AUTHENTICATION` · `CONFIG_INVALID`: TLS on one side only
   */
  async connect(): Promise<string | null> {
    if (this.#client !== null || this.#trying !== null) return null
    try {
      await this.#open()
      return null
    } catch (thrown) {
      const refusal = await this.#refusalOf(thrown)
      if (refusal !== null) throw refusal
      this.#trying = this.#tryOn()
      return reasonOf(thrown)
    }
  }

  /** In the order of the keys: a text, `null` for none, or why it could not be read. */
  async get(keys: readonly string[]): Promise<readonly (string | null | Error)[]> {
    const client = this.#ready()
    const each = (some: readonly string[]) =>
      this.#answered(some.map((key) => client.get(key).catch((thrown: Error) => thrown)))
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
    await this.#trying
    this.#client?.destroy()
    this.#client = null
  }

  #ready(): Client {
    if (this.#client === null) throw new Error('Redis does not answer')
    return this.#client
  }

  /** Connects to the first address that answers, or to its cluster. */
  async #open(): Promise<void> {
    const { urls } = this.#o
    const mode = await this.#modeOf(urls)
    const own = { reconnectStrategy: (tries: number) => Math.min(50 * 2 ** tries, RECONNECT_MS) }
    const options = urls.map((url) => this.#options(url, own))
    const [first] = options as [RedisClientOptions]
    const client = (mode === 'cluster'
      ? createCluster({ rootNodes: options, defaults: first })
      : createClient(first)) as unknown as Client
    // Without a listener an error would end the process; commands tell what is wrong.
    client.on('error', () => undefined)
    const connecting = client.connect()
    connecting.catch(() => undefined)
    await Promise.race([connecting, sleep(CONNECT_MS, undefined, { ref: false })])
    this.#isCluster = mode === 'cluster'
    this.#client = client
  }

  /** Makes the connection again if it gives no answer: a socket's timeout ends none that is written to. */
  async #answered<T>(commands: readonly Promise<T>[]): Promise<T[]> {
    const client = this.#client
    const timer = setTimeout(() => {
      if (client === null || client !== this.#client) return
      this.#client = null
      client.destroy()
      this.#trying = this.#tryOn()
    }, SILENT_MS)
    try {
      return await Promise.all(commands)
    } catch (thrown) {
      throw client === this.#client ? thrown : new Error(`no answer for ${SILENT_MS / 1_000} s`)
    } finally {
      clearTimeout(timer)
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
      if (!signal.aborted) await this.#open().catch(() => undefined)
    }
  }

  #options(url: string, own: NonNullable<RedisClientOptions['socket']>): RedisClientOptions {
    const { password, ca } = this.#o
    const { hostname, port, username, pathname, protocol } = new URL(url)
    const database = Number(pathname.slice(1))
    const common = { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || 6379), ...own }
    const timeouts = { connectTimeout: CONNECT_MS, socketTimeout: SILENT_MS }
    const tls = protocol === 'rediss:' ? { tls: true, ...(ca !== null && { ca }) } : {}
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
    const where = '--redis'
    const message = reasonOf(thrown)
    if (/^(WRONGPASS|NOAUTH|NOPERM|ERR AUTH|ERR invalid password)/.test(message)) {
      const hint =
        'the user is in the URL, redis://USER@host:6379; the password is in TIDEMARK_REDIS_PASSWORD or --redis-password-file'
      return new TidemarkError('AUTHENTICATION', `Redis: ${message}`, { where, hint })
    }
    if (isOfCertificate(thrown)) {
      const hint = 'give its CA certificates with --redis-ca'
      return new TidemarkError('CONFIG_INVALID', `Redis: ${message}`, { where, hint })
    }
    if (message.includes('ECONNREFUSED')) return null
    const isTls = url.startsWith('rediss:')
    const other = new URL(
      isTls ? url.replace('rediss:', 'redis:') : url.replace('redis:', 'rediss:'),
    )
    other.username = ''
    // Without the password, which must not travel without TLS.
    const stranger = new Redis({ urls: [other.href], password: null, ca: this.#o.ca })
    const refused = (why: unknown) => why instanceof ErrorReply || isOfCertificate(why)
    if (!(await stranger.#modeOf([other.href]).then(() => true, refused))) return null
    const [what, hint] = isTls
      ? ['Redis does not speak TLS', 'write redis://']
      : ['Redis speaks TLS only', 'write rediss://']
    return new TidemarkError('CONFIG_INVALID', what, { where, hint })
  }
}

function isOfCertificate(thrown: unknown): boolean {
  const code = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : ''
  return /CERT|SELF_SIGNED|UNABLE_TO|ERR_TLS/.test(code)
}

function reasonOf(thrown: unknown): string {
  // One error for each address of a name.
  return messageOf(thrown instanceof AggregateError ? thrown.errors[0] : thrown)
}

import {
  NODES_OWN,
  NONE,
  pemFile,
  type RawSetting,
  secret,
  secretFile,
  setting,
  under,
} from '../../kernel/setting.ts'
import { tlsFileFaults } from '../../kernel/tls.ts'
import type { KeyedRows } from '../../topology/store.ts'
import type { Connector } from '../system.ts'
import type { RedisOptions } from './redis-client.ts'
import { redisSource } from './redis-rows.ts'
import { redisSink } from './redis-sink.ts'

const SETTINGS = under('Redis', {
  redis: setting<readonly string[]>({
    value: '<url,…>',
    about:
      'Redis, for stores whose rows are in it: redis://host:6379, with TLS rediss://, with a user redis://user@host:6379; some nodes of a cluster',
    fallback: [],
    ...NONE,
    many: true,
    kind: { parse: redisUrls },
  }),
  redisPassword: secret('<password>', 'password for Redis'),
  redisPasswordFile: secretFile('password for Redis', 'TIDEMARK_REDIS_PASSWORD'),
  redisCa: pemFile("CA certificates to verify Redis' certificate with", NODES_OWN),
  redisCert: pemFile('client certificate, if Redis requires one'),
  redisKey: pemFile('private key of the client certificate'),
})

type Values = {
  readonly [N in keyof typeof SETTINGS]?: (typeof SETTINGS)[N]['fallback']
}

/** Redis: rows of stores, and sinks that keep the newest value of each key. */
export const redisConnector = {
  label: 'Redis',
  settings: SETTINGS,
  hint: 'say where Redis is, with --redis',

  optionsOf({ redis: urls = [], ...values }: Values): RedisOptions | null {
    const { redisPasswordFile = null, redisPassword = null } = values
    const { redisCa: ca = null, redisCert: cert = null, redisKey: key = null } = values
    const password = redisPasswordFile ?? redisPassword
    return urls.length === 0 ? null : { urls, password, ca, cert, key }
  },

  plainHint(options: RedisOptions | null) {
    return options?.urls.some((url) => /^redis:/i.test(url)) ? 'write rediss://' : null
  },

  faults(options: RedisOptions) {
    return tlsFileFaults(options, (file) => `redis.${file}`, this.plainHint(options))
  },

  sinkFaults({ key, system }) {
    const ttlMs = system?.options['ttlMs'] ?? null
    const isWhole = ttlMs === null || (Number.isInteger(ttlMs) && Number(ttlMs) > 0)
    return [
      ...(typeof key === 'function'
        ? []
        : [`key must be a function of the value, got ${typeof key}`]),
      ...(isWhole ? [] : [`ttl must be whole milliseconds above 0, got ${JSON.stringify(ttlMs)}`]),
    ]
  },

  async open(options: RedisOptions) {
    const { Redis } = await import('./redis-client.ts')
    const client = new Redis(options)
    return {
      label: 'Redis',
      address: options.urls.join(','),
      connect: (report) => client.connect(report),
      rows: ({ from }) => redisSource(from as KeyedRows, client),
      sink: (steps) => redisSink(client, steps),
      close: () => client.close(),
    }
  },
} satisfies Connector<RedisOptions>

/** URLs of Redis, without passwords. */
function redisUrls({ values }: RawSetting): readonly string[] {
  return values.flatMap((value) => value.split(',')).map((value) => redisUrl(value.trim()))
}

function redisUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null
  const isRedis = url !== null && ['redis:', 'rediss:'].includes(url.protocol)
  // It may contain a password.
  if (!isRedis || url.hostname === '') throw new Error('is not a redis:// or rediss:// URL')
  if (url.password !== '') {
    throw new Error('contains a password: give it in TIDEMARK_REDIS_PASSWORD')
  }
  if (!/^(|\/|\/\d{1,4})$/.test(url.pathname)) throw new Error('has a path that is no number')
  return text
}

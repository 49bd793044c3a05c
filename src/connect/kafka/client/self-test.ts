import { createRequire } from 'node:module'
import { TidemarkError } from '../../../kernel/errors.ts'
import type { BrokerApis } from '../wire/cluster.ts'
import { API } from '../wire/protocol.ts'

// Checks before anything is sent that this driver works with the library that is installed, because
// it uses private parts of it, and with the API versions of the broker.

const LIBRARY = '2.2.4'
const { version: INSTALLED } = createRequire(import.meta.url)('kafkajs/package.json') as {
  readonly version: string
}

/** @throws TidemarkError `CLIENT_BROKEN` */
export function checkLibrary(version = INSTALLED): void {
  if (version === LIBRARY) return
  const message = `kafkajs has version ${version}, but this driver uses private parts of version ${LIBRARY}`
  const hint = 'install the packages that package-lock.json names (npm ci)'
  throw new TidemarkError('CLIENT_BROKEN', message, { hint })
}

/** @throws TidemarkError `BROKER_TOO_OLD` */
export function checkApiVersions({ versions }: BrokerApis): void {
  const lacking = Object.entries(API).filter(([, { key, version }]) => {
    const [oldest, newest] = versions.get(key) ?? [0, -1]
    return version < oldest || version > newest
  })
  if (lacking.length === 0) return
  const calls = lacking.map(([name, { version }]) => `${name} ${version}`).join(', ')
  throw new TidemarkError('BROKER_TOO_OLD', `the broker does not support ${calls}`, {
    hint: 'Kafka 2.5 to 4.x supports them; a proxy in between may report other versions',
  })
}

import { execFile, execFileSync } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { until } from './cluster.ts'
import { type KafkaService, sharedOrOwn } from './kafka.ts'
import { freePorts } from './ports.ts'

// A schema registry of the tests' own (registry.sh).

export interface RegistryService {
  /** Base URL of Confluent's API. */
  readonly url: string
  /** Base URL of Apicurio's own API. */
  readonly apicurioUrl: string
  /** Registers a schema. Returns its id. */
  readonly register: (subject: string, schema: NewSchema) => Promise<number>
  /** Ends it at once, as `kill -9` does. */
  readonly kill: () => Promise<void>
  /** Starts it again with what was registered. */
  readonly restart: () => Promise<void>
  readonly stop: () => Promise<void>
}

/** A schema as the API takes it. */
interface NewSchema {
  /** @default 'AVRO' */
  readonly schemaType?: 'AVRO' | 'PROTOBUF' | 'JSON'
  readonly schema: string
  readonly references?: readonly { name: string; subject: string; version: number }[]
}

const SCRIPT = join(import.meta.dirname, 'registry.sh')
/** It is fetched by Maven, the first time. */
const FETCH_MS = 300_000
const { registry: why } = inject('untested')

type RegistryTest = (
  registry: RegistryService,
  kafka: KafkaService,
  skip: (why: string) => never,
) => Promise<void>

/** Tests on one registry of their own, and a Kafka; without Java and Maven they are skipped. */
export function registryTests(
  define: (registryTest: (name: string, fn: RegistryTest) => void) => void,
): void {
  let registry: RegistryService | null = null
  beforeAll(async () => {
    if (why === '') registry = await startRegistry()
  }, FETCH_MS)
  afterAll(() => registry?.stop())
  define((name, fn) => {
    test(`${name} (schema registry)`, async ({ skip }) => {
      expect.hasAssertions()
      await fn(registry ?? skip(why), sharedOrOwn() ?? skip(inject('untested').kafka), skip)
    })
  })
}

/** One of its own, which the caller stops. @throws Error when Java or Maven is missing */
export async function startRegistry(): Promise<RegistryService> {
  const dir = mkdtempSync(join(tmpdir(), 'tidemark-registry-'))
  const [port = 0] = await freePorts(1)
  const apis = `http://127.0.0.1:${port}/apis`
  const url = `${apis}/ccompat/v7`
  execFileSync(SCRIPT, ['start', dir, String(port)], { stdio: ['ignore', 'ignore', 'inherit'] })
  const tell = async (command: string) => {
    await promisify(execFile)(SCRIPT, [command, dir])
  }
  const isUp = () =>
    fetch(`${url}/subjects`).then(
      ({ ok }) => ok,
      () => false,
    )
  await until('up', isUp)
  return {
    url,
    apicurioUrl: `${apis}/registry/v3`,
    register: async (subject, schema) => {
      const answer = await fetch(`${url}/subjects/${encodeURIComponent(subject)}/versions`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/vnd.schemaregistry.v1+json' },
        body: JSON.stringify(schema),
      })
      if (!answer.ok) throw new Error(`${answer.status}: ${await answer.text()}`)
      return ((await answer.json()) as { id: number }).id
    },
    kill: () => tell('kill'),
    restart: async () => {
      await tell('restart')
      await until('up again', isUp)
    },
    stop: () => tell('stop'),
  }
}

import { Agent } from 'node:https'
import { createRequire } from 'node:module'
import type library from '@kafkajs/confluent-schema-registry/dist/api/index.js'
import { messageOf, TidemarkError } from '../kernel/errors.ts'
import type {
  NamedSchema,
  RegisteredSchema,
  SchemaRegistry,
  SchemaType,
} from './schema-registry.ts'

// A registry with Confluent's API: Confluent's own, Apicurio, Karapace, Redpanda.

/** How to reach a schema registry. */
export interface RegistryOptions {
  /** Base URL of its API, http or https; its credentials are given apart. */
  readonly url: string
  /** For HTTP basic authentication. @default none */
  readonly login?: { readonly username: string; readonly password: string }
  /** CA certificates to verify its certificate with, PEM. @default those that Node trusts */
  readonly ca?: string
}

// Loaders differ in what they make of its default export, if it is imported.
const { default: connect } = createRequire(import.meta.url)(
  '@kafkajs/confluent-schema-registry/dist/api/index.js',
) as typeof library

/** How long a registry may take to answer. */
const ANSWER_MS = 5_000
/** The code with which a registry says that it has no schema with an id; its status is 404. */
const NO_SUCH_SCHEMA = 40_403
/** A schema may refer to others, and those to others; no real one needs as many. */
const MOST_REFERENCES = 1_000

const TYPES: Readonly<Record<string, SchemaType>> = {
  AVRO: 'avro',
  PROTOBUF: 'protobuf',
  JSON: 'json',
}

/** A schema as the API returns it. */
interface SchemaBody {
  readonly schema: string
  /** Not there for Avro. */
  readonly schemaType?: string
  readonly references?: readonly Reference[] | null
}

interface Reference {
  readonly name: string
  readonly subject: string
  readonly version: number
}

/** Why there is no result. */
interface Refusal {
  readonly why: string
  /** The registry's own code; `null`: no registry has answered. */
  readonly code: number | null
}

/** As the library passes it on. */
interface LibraryResponse {
  status(): number
  data(): unknown
  error(): Error | null
  request(): { method(): string; url(): string }
}

/** A client of a registry with Confluent's API. */
export class ConfluentRegistry implements SchemaRegistry {
  readonly url: string
  readonly #api: ReturnType<typeof connect>
  /** By method and URL, what the requests in flight were refused with. */
  readonly #refusals = new Map<string, Refusal>()

  constructor({ url, login, ca }: RegistryOptions) {
    this.url = url
    this.#api = connect({
      host: url.replace(/\/+$/, ''),
      clientId: 'tidemark',
      ...(login === undefined ? {} : { auth: login }),
      ...(ca === undefined ? {} : { agent: new Agent({ ca }) }),
      middlewares: [withTimeout],
      // The library's error has no code of the registry, so it is noted here, where the library
      // asks whether to try again. The caller does that.
      retry: {
        retries: 1,
        enableRetry: () => true,
        validateRetry: (of: LibraryResponse) => this.#note(of),
      },
    })
  }

  async schema(id: number): Promise<RegisteredSchema | null> {
    const body = await this.#ask<SchemaBody>(() => this.#api.Schema.find({ id }), NO_SUCH_SCHEMA)
    if (body === null) return null
    const type = TYPES[body.schemaType ?? 'AVRO']
    if (type === undefined) {
      throw this.#unavailable(`schema ${id} is of the unknown type ${body.schemaType}`)
    }
    const references = new Map<string, NamedSchema>()
    await this.#follow(body.references ?? [], references)
    return { id, type, text: body.schema, references: [...references.values()] }
  }

  /** Adds referenced schemas, each after those that it refers to. */
  async #follow(wanted: readonly Reference[], into: Map<string, NamedSchema>): Promise<void> {
    for (const { name, subject, version } of wanted) {
      if (into.has(name)) continue
      if (into.size >= MOST_REFERENCES) {
        throw this.#unavailable(`a schema refers to more than ${MOST_REFERENCES} others`)
      }
      const body = await this.#ask<SchemaBody>(() =>
        this.#api.Subject.version({ subject, version }),
      )
      await this.#follow(body?.references ?? [], into)
      into.set(name, { name, text: body?.schema ?? '' })
    }
  }

  /** @returns `null`: the registry answered with the code `absent` */
  async #ask<T>(request: () => Promise<LibraryResponse>, absent?: number): Promise<T | null> {
    try {
      return (await request()).data() as T
    } catch (thrown) {
      const { url: of = '' } = thrown as { url?: string }
      const { why, code } = this.#refusals.get(of) ?? { why: messageOf(thrown), code: null }
      this.#refusals.delete(of)
      if (code !== null && code === absent) return null
      throw this.#unavailable(why, thrown)
    }
  }

  #note(response: LibraryResponse): boolean {
    const request = response.request()
    const error = response.error()
    const why = error === null ? `it answered ${response.status()}` : error.message
    const code = error === null ? codeOf(response) : null
    this.#refusals.set(`${request.method()} ${request.url()}`, { why, code })
    return false
  }

  #unavailable(why: string, cause?: unknown): TidemarkError {
    return new TidemarkError('REGISTRY_UNAVAILABLE', `the schema registry: ${why}`, {
      where: this.url,
      cause,
    })
  }
}

/** A registry's codes begin with the status of the answer: 404, 40403. */
function codeOf(response: LibraryResponse): number | null {
  const { error_code: code } = (response.data() ?? {}) as { error_code?: unknown }
  const isOwn = typeof code === 'number' && String(code).startsWith(String(response.status()))
  return isOwn ? code : null
}

/** Without it the library waits for an answer forever. */
function withTimeout() {
  return {
    prepareRequest: async <R extends { enhance(o: { timeout: number }): R }>(
      next: () => Promise<R>,
    ) => (await next()).enhance({ timeout: ANSWER_MS }),
  }
}

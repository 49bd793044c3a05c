import { Agent } from 'node:https'
import { createRequire } from 'node:module'
import type library from '@kafkajs/confluent-schema-registry/dist/api/index.js'
import { messageOf, TidemarkError } from '../kernel/errors.ts'
import { tlsFault } from '../kernel/tls.ts'
import type {
  NamedSchema,
  NewSchema,
  RegisteredSchema,
  SchemaRegistry,
  SchemaSubjects,
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

// Loaders differ in the result of its default export, if it is imported.
const { default: connect } = createRequire(import.meta.url)(
  '@kafkajs/confluent-schema-registry/dist/api/index.js',
) as typeof library

/** Ms. */
const ANSWER_MS = 5_000
/** The registry, or a subject, lacks the schema; status 404. */
const NO_SUCH_SCHEMA = 40_403
/** The subject, or its version, does not exist. */
const NO_SUCH_SUBJECT = [40_401, 40_402]
const NOT_THERE = [...NO_SUCH_SUBJECT, NO_SUCH_SCHEMA]
/** The statuses of a schema that is not compatible, or no schema. */
const REJECTED = [409, 422]
/** Most characters of a registry's message, beside the status. */
const MOST_CHARACTERS = 200

/** In upper case in the API. */
const TYPES: readonly SchemaType[] = ['avro', 'protobuf', 'json']

interface SchemaBody {
  readonly schema: string
  /** Missing or null for Avro. */
  readonly schemaType?: string | null
  readonly references?: readonly Reference[] | null
}

type IdBody = Readonly<{ id: number }>

interface CompatibilityBody {
  readonly is_compatible: boolean
  readonly messages?: readonly string[] | null
}

interface Reference {
  readonly name: string
  readonly subject: string
  readonly version: number
}

interface LibraryResponse {
  status(): number
  data(): unknown
  error(): Error | null
  request(): { method(): string; url(): string }
}

export class ConfluentRegistry implements SchemaRegistry, SchemaSubjects {
  readonly url: string
  readonly #api: ReturnType<typeof connect>
  /** By method and URL of the requests in flight. */
  readonly #failed = new Map<string, LibraryResponse>()

  constructor({ url, login, ca }: RegistryOptions) {
    this.url = url
    this.#api = connect({
      host: url.replace(/\/+$/, ''),
      clientId: 'tidemark',
      ...(login === undefined ? {} : { auth: login }),
      ...(ca === undefined ? {} : { agent: new Agent({ ca }) }),
      middlewares: [withTimeout],
      // Notes the response, whose code the error of the library lacks. It never asks again: the
      // caller does.
      retry: {
        retries: 1,
        enableRetry: () => true,
        validateRetry: (response: LibraryResponse) => {
          this.#failed.set(`${response.request().method()} ${response.request().url()}`, response)
          return false
        },
      },
    })
  }

  async schema(id: number): Promise<RegisteredSchema> {
    const body = await this.#ask(() => this.#api.Schema.find({ id }), isSchema, [NO_SUCH_SCHEMA])
    if (body === null) throw unknown(`the schema registry has no schema ${id}`)
    return this.#whole(id, body)
  }

  async find(subject: string, schema: NewSchema): Promise<number | null> {
    const asked = { subject, body: bodyOf(schema) }
    const idOf = async (parameters: typeof asked & { readonly normalize?: true }) => {
      const request = () => this.#api.Subject.registered(parameters)
      return (await this.#ask(request, hasId, NOT_THERE))?.id ?? null
    }
    // Some registries compare texts, but layout does not matter.
    return (await idOf(asked)) ?? idOf({ ...asked, normalize: true })
  }

  async objections(subject: string, schema: NewSchema): Promise<readonly string[]> {
    const asked = { subject, verbose: true, body: bodyOf(schema) }
    const request = () => this.#api.Subject.compatible(asked)
    const body = await this.#ask(request, isCompatibility, NO_SUCH_SUBJECT)
    if (body === null || body.is_compatible) return []
    const { messages } = body
    return messages?.length ? messages : ['it is not compatible with the latest version']
  }

  async register(subject: string, schema: NewSchema): Promise<number> {
    const request = () => this.#api.Subject.register({ subject, body: bodyOf(schema) })
    return ((await this.#ask(request, hasId, [])) as IdBody).id
  }

  async latest(subject: string): Promise<RegisteredSchema | null> {
    const request = () => this.#api.Subject.latestVersion({ subject })
    const is = (answer: unknown): answer is SchemaBody & IdBody => isSchema(answer) && hasId(answer)
    const body = await this.#ask(request, is, NO_SUCH_SUBJECT)
    return body === null ? null : this.#whole(body.id, body)
  }

  async #whole(id: number, body: SchemaBody): Promise<RegisteredSchema> {
    const { schemaType } = body
    const type = TYPES.find((name) => name.toUpperCase() === (schemaType ?? 'AVRO'))
    if (type === undefined) throw unknown(`schema ${id} is of the unknown type ${schemaType}`)
    const references = new Map<string, NamedSchema>()
    await this.#follow(id, body.references ?? [], references)
    return { id, type, text: body.schema, references: [...references.values()] }
  }

  /** Adds referenced schemas, each after its own references. */
  async #follow(id: number, wanted: readonly Reference[], into: Map<string, NamedSchema>) {
    for (const { name, subject, version } of wanted) {
      if (into.has(name)) continue
      const request = () => this.#api.Subject.version({ subject, version })
      const body = await this.#ask(request, isSchema, NOT_THERE)
      if (body === null) {
        const other = `version ${version} of subject "${subject}"`
        throw unknown(`schema ${id} refers to ${other}, which the schema registry does not have`)
      }
      await this.#follow(id, body.references ?? [], into)
      into.set(name, { name, text: body.schema })
    }
  }

  /**
   * @param absent codes of a thing that is not there: `null` is returned
   * @throws TidemarkError `SCHEMA_REJECTED` · `REGISTRY_UNAVAILABLE`, also for a proxy's page
   */
  async #ask<T>(
    request: () => Promise<LibraryResponse>,
    is: (body: unknown) => body is T,
    absent: readonly number[],
  ): Promise<T | null> {
    let body: unknown
    try {
      body = (await request()).data()
    } catch (thrown) {
      const { url = '' } = thrown as { url?: string }
      const response = this.#failed.get(url)
      this.#failed.delete(url)
      const noAnswer = response === undefined ? thrown : response.error()
      if (response === undefined || noAnswer !== null) {
        const tls = tlsFault(noAnswer, '--registry')
        throw this.#unavailable(tls ? `${tls.what}: ${tls.hint}` : messageOf(noAnswer), thrown)
      }
      return this.#refused(response, absent, thrown)
    }
    if (is(body)) return body
    throw this.#unavailable('it answered 200 with something else than was asked for')
  }

  /** @returns `null`: the registry itself denies that there is such a thing */
  #refused(response: LibraryResponse, absent: readonly number[], cause: unknown): null {
    const status = response.status()
    const answered = `it answered ${status}`
    const { error_code: code, message } = (response.data() ?? {}) as Record<string, unknown>
    // The codes of a registry begin with the status: 404, 40403.
    const isOwn = typeof code === 'number' && String(code).startsWith(String(status))
    if (isOwn && absent.includes(code)) return null
    const words = typeof message === 'string' ? message : null
    // A GET sends no schema that may be rejected.
    if (response.request().method() === 'post' && REJECTED.includes(status)) {
      throw new TidemarkError('SCHEMA_REJECTED', words ?? answered, { where: this.url, cause })
    }
    // The words name a missing reference, for example.
    const why = words === null ? answered : `${answered}: ${words.slice(0, MOST_CHARACTERS)}`
    throw this.#unavailable(why, cause)
  }

  #unavailable(why: string, cause?: unknown): TidemarkError {
    return new TidemarkError('REGISTRY_UNAVAILABLE', `the schema registry: ${why}`, {
      where: this.url,
      cause,
    })
  }
}

function unknown(message: string): TidemarkError {
  return new TidemarkError('SCHEMA_UNKNOWN', message)
}

function isSchema(body: unknown): body is SchemaBody {
  const { schema, schemaType, references } = (body ?? {}) as Record<keyof SchemaBody, unknown>
  const isType = schemaType == null || typeof schemaType === 'string'
  const areReferences = Array.isArray(references) && references.every(isReference)
  return typeof schema === 'string' && isType && (references == null || areReferences)
}

function isReference(reference: unknown): reference is Reference {
  const { name, subject, version } = (reference ?? {}) as Record<keyof Reference, unknown>
  return typeof name === 'string' && typeof subject === 'string' && Number.isInteger(version)
}

function hasId(body: unknown): body is IdBody {
  return Number.isInteger((body as Partial<IdBody> | null)?.id)
}

function isCompatibility(body: unknown): body is CompatibilityBody {
  return typeof (body as Partial<CompatibilityBody> | null)?.is_compatible === 'boolean'
}

function bodyOf({ type, text }: NewSchema): SchemaBody {
  return { schema: text, schemaType: type.toUpperCase() }
}

/** The library itself waits forever. */
function withTimeout() {
  return {
    prepareRequest: async <R extends { enhance(o: { timeout: number }): R }>(
      next: () => Promise<R>,
    ) => (await next()).enhance({ timeout: ANSWER_MS }),
  }
}

import { LRUCache } from 'lru-cache'
import { type Code, messageOf, TidemarkError } from '../../kernel/errors.ts'
import type { RegisteredSchema, SchemaRegistry } from '../../registry/schema-registry.ts'
import { avroDecoder } from '../avro/avro-decoder.ts'
import type { Preparing } from '../format.ts'
import { checkSize, type PayloadDecoder, type ScanTarget } from '../payload.ts'
import { protobufDecoder } from '../protobuf/protobuf-decoder.ts'
import { jsonSchemaDecoder } from './json-schema.ts'

const NAMES = { avro: 'Avro', protobuf: 'Protobuf', json: 'JSON' }
/** Most characters of a library's message: it may quote the schema. */
const MOST_WORDS = 200

/** @throws TidemarkError `SCHEMA_UNUSABLE` */
export function openDecoder(schema: RegisteredSchema, target: ScanTarget | null): PayloadDecoder {
  try {
    checkSize(schema)
    switch (schema.type) {
      case 'avro':
        return avroDecoder(schema, target)
      case 'protobuf':
        return protobufDecoder(schema)
      case 'json':
        return jsonSchemaDecoder(schema, target)
    }
  } catch (cause) {
    const why = messageOf(cause)
    const short = why.length <= MOST_WORDS ? why : `${why.slice(0, MOST_WORDS)}…`
    const message = `${NAMES[schema.type]} schema ${schema.id} cannot be used: ${short}`
    throw new TidemarkError('SCHEMA_UNUSABLE', message, { cause })
  }
}

type KnownSchema = PayloadDecoder | { readonly error: TidemarkError }

/** The records that are decoded at once need no more. */
const MOST_SCHEMAS = 10_000
/** Requests: a chunk of garbage may name 2,048 ids. */
const MOST_AT_ONCE = 20

/** The schemas of records, by id. A schema never changes, so it is fetched once. */
export class KnownSchemas {
  readonly #registry: SchemaRegistry
  readonly #target: ScanTarget | null
  readonly #schemas = new LRUCache<number, KnownSchema>({ max: MOST_SCHEMAS })
  readonly #missing = new MissingSchemas()
  /** By id, so that partitions share a request. */
  readonly #fetching = new Map<number, Promise<void>>()

  constructor(registry: SchemaRegistry, target: ScanTarget | null) {
    this.#registry = registry
    this.#target = target
  }

  /** `undefined`: not fetched yet, or it does not exist. */
  get(id: number): KnownSchema | undefined {
    return this.#schemas.get(id)
  }

  isGivenUp(id: number, { clock, mayGiveUp }: Preparing): boolean {
    return mayGiveUp && this.#missing.isGivenUp(id, clock.elapsedMs())
  }

  /** @throws TidemarkError `SCHEMA_UNKNOWN`: it was given up · `SCHEMA_UNUSABLE` */
  decoder(id: number): PayloadDecoder {
    const schema = this.get(id)
    if (schema === undefined) {
      const why = this.#missing.whyGivenUp(id)
      throw why ?? new TidemarkError('INVARIANT', `schema ${id} was not prepared`)
    }
    if ('error' in schema) throw schema.error
    return schema
  }

  /**
   * Fetches schemas. Gives up those that the registry has denied for long enough, if it may.
   * @throws TidemarkError `REGISTRY_UNAVAILABLE`, also if it denies a schema that is not given up
   */
  async fetch(ids: readonly number[], how: Preparing): Promise<void> {
    for (let i = 0; i < ids.length; i += MOST_AT_ONCE) {
      const some = ids.slice(i, i + MOST_AT_ONCE)
      await Promise.all(some.map((id) => this.#fetchOnce(id, how.clock)))
    }
    const waited = ids.find((id) => this.get(id) === undefined && !this.isGivenUp(id, how))
    if (waited === undefined) return
    const why = this.#missing.why(waited)?.message ?? `schema ${waited} is not there`
    const message = `${why}, which a record refers to`
    throw new TidemarkError('REGISTRY_UNAVAILABLE', message, { where: this.#registry.url })
  }

  #fetchOnce(id: number, clock: Preparing['clock']): Promise<void> {
    const fetching = this.#fetching.get(id) ?? this.#fetch(id, clock)
    this.#fetching.set(id, fetching)
    return fetching
  }

  /** @throws TidemarkError `REGISTRY_UNAVAILABLE` */
  async #fetch(id: number, clock: Preparing['clock']): Promise<void> {
    try {
      this.#schemas.set(id, openDecoder(await this.#registry.schema(id), this.#target))
    } catch (error) {
      if (isFault(error, 'SCHEMA_UNUSABLE')) this.#schemas.set(id, { error })
      else if (isFault(error, 'SCHEMA_UNKNOWN')) this.#missing.denied(id, clock.elapsedMs(), error)
      else {
        this.#missing.unanswered(id)
        throw error
      }
    } finally {
      this.#fetching.delete(id)
    }
  }
}

function isFault(thrown: unknown, code: Code): thrown is TidemarkError {
  return thrown instanceof TidemarkError && thrown.code === code
}

// A registry may deny a schema that it has, because a replica lags: one denial proves nothing.

/** How long it must deny a schema before it is believed, ms. */
const BELIEVED_AFTER_MS = 10_000
/** How long it is then not asked again, ms. */
const GIVEN_UP_MS = 60_000
/** Denials further apart do not count together, ms. */
const MOST_APART_MS = 2 * GIVEN_UP_MS

interface Missing {
  /** The first denial without another answer after it; `null`: there was one. */
  readonly sinceMs: number | null
  /** The time of the last denial, and its error. */
  readonly saidMs: number
  readonly why: TidemarkError
  /** `null`: it was never believed. */
  readonly givenUpUntilMs: number | null
}

/** Ids of schemas that the registry denies. All times are elapsed ms. */
export class MissingSchemas {
  readonly #missing = new LRUCache<number, Missing>({ max: MOST_SCHEMAS })

  denied(id: number, nowMs: number, why: TidemarkError): void {
    const before = this.#missing.get(id)
    const isSame = before !== undefined && nowMs - before.saidMs <= MOST_APART_MS
    const sinceMs = (isSame ? before.sinceMs : null) ?? nowMs
    const isBelieved = nowMs - sinceMs >= BELIEVED_AFTER_MS
    const givenUpUntilMs = isBelieved ? nowMs + GIVEN_UP_MS : (before?.givenUpUntilMs ?? null)
    this.#missing.set(id, { sinceMs, saidMs: nowMs, why, givenUpUntilMs })
  }

  unanswered(id: number): void {
    const before = this.#missing.get(id)
    if (before !== undefined) this.#missing.set(id, { ...before, sinceMs: null })
  }

  isGivenUp(id: number, nowMs: number): boolean {
    const untilMs = this.#missing.get(id)?.givenUpUntilMs ?? null
    return untilMs !== null && nowMs < untilMs
  }

  why(id: number): TidemarkError | null {
    return this.#missing.get(id)?.why ?? null
  }

  /** The last denial, if it was ever given up: its records may be decoded later. */
  whyGivenUp(id: number): TidemarkError | null {
    const missing = this.#missing.get(id)
    return missing === undefined || missing.givenUpUntilMs === null ? null : missing.why
  }
}

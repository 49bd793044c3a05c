import { LRUCache } from 'lru-cache'
import { TidemarkError } from '../../kernel/errors.ts'
import type { RegisteredSchema, SchemaRegistry } from '../../registry/schema-registry.ts'
import { avroDecoder } from '../avro/avro-decoder.ts'
import type { Preparing } from '../format.ts'
import { jsonSchemaDecoder } from '../json/json-schema.ts'
import { protobufDecoder } from '../protobuf/protobuf-decoder.ts'
import type { PayloadDecoder, ScanTarget } from './payload.ts'

/**
 * Makes the decoder of a schema.
 * @param target `null`: every value is decoded, without columns
 * @throws TidemarkError `SCHEMA_UNUSABLE`
 */
export function openDecoder(schema: RegisteredSchema, target: ScanTarget | null): PayloadDecoder {
  switch (schema.type) {
    case 'avro':
      return avroDecoder(schema, target)
    case 'protobuf':
      return protobufDecoder(schema)
    case 'json':
      return jsonSchemaDecoder(schema, target)
  }
}

/** What is known of a schema: how to decode its values, or why they cannot be decoded. */
export type KnownSchema = PayloadDecoder | { readonly error: TidemarkError }

/** Most schemas in memory. The records of all partitions that are decoded at once need no more. */
const MOST_SCHEMAS = 10_000
/** Most requests to the registry at once: a chunk of garbage may name 2,048 ids. */
const MOST_AT_ONCE = 20

/** The schemas that records refer to, by id. A schema never changes, so it is fetched once. */
export class KnownSchemas {
  readonly #registry: SchemaRegistry
  readonly #target: ScanTarget | null
  readonly #known = new LRUCache<number, KnownSchema>({ max: MOST_SCHEMAS })
  readonly #missing = new MissingSchemas(MOST_SCHEMAS)
  /** By id; of several partitions that need a schema, one fetches it. */
  readonly #fetching = new Map<number, Promise<void>>()

  constructor(registry: SchemaRegistry, target: ScanTarget | null) {
    this.#registry = registry
    this.#target = target
  }

  /** `undefined`: it has to be fetched first, or does not exist. */
  get(id: number): KnownSchema | undefined {
    return this.#known.get(id)
  }

  /** Is it not to be asked for at present, since the registry does not have it? */
  isGivenUp(id: number, { clock, mayGiveUp }: Preparing): boolean {
    return mayGiveUp && this.#missing.isGivenUp(id, clock.elapsedMs())
  }

  /** Why values of a schema that is not known cannot be decoded. */
  whyNot(id: number): TidemarkError {
    return (
      this.#missing.whyGivenUp(id) ??
      new TidemarkError('INVARIANT', `schema ${id} was not prepared`)
    )
  }

  /**
   * Fetches schemas. Those that the registry has not had for long enough are given up, if they may
   * be.
   * @throws TidemarkError `REGISTRY_UNAVAILABLE`, also if the registry has no such schema: it may
   * not have it yet
   */
  async fetch(ids: readonly number[], how: Preparing): Promise<void> {
    for (let i = 0; i < ids.length; i += MOST_AT_ONCE) {
      const some = ids.slice(i, i + MOST_AT_ONCE)
      await Promise.all(some.map((id) => this.#fetchOnce(id, how.clock)))
    }
    const waited = ids.find((id) => this.get(id) === undefined && !this.isGivenUp(id, how))
    if (waited === undefined) return
    const why = this.#missing.why(waited)?.message ?? `schema ${waited} is not there`
    const what = `${why}, which a record refers to`
    throw new TidemarkError('REGISTRY_UNAVAILABLE', what, { where: this.#registry.url })
  }

  #fetchOnce(id: number, clock: Preparing['clock']): Promise<void> {
    const fetching = this.#fetching.get(id) ?? this.#fetch(id, clock)
    this.#fetching.set(id, fetching)
    return fetching
  }

  /** @throws TidemarkError `REGISTRY_UNAVAILABLE`: the registry did not say whether it has it */
  async #fetch(id: number, clock: Preparing['clock']): Promise<void> {
    try {
      this.#known.set(id, this.#compiled(await this.#registry.schema(id)))
    } catch (error) {
      if (error instanceof TidemarkError && error.code === 'SCHEMA_UNKNOWN') {
        this.#missing.denied(id, clock.elapsedMs(), error)
        return
      }
      this.#missing.unanswered(id)
      throw error
    } finally {
      this.#fetching.delete(id)
    }
  }

  #compiled(schema: RegisteredSchema): KnownSchema {
    try {
      return openDecoder(schema, this.#target)
    } catch (error) {
      if (!(error instanceof TidemarkError) || error.code !== 'SCHEMA_UNUSABLE') throw error
      return { error }
    }
  }
}

// How long a registry has said of an id that it has no such schema. One answer proves nothing: a
// replica may lag behind.

/** How long it must have said so before it is believed, ms. */
const BELIEVED_AFTER_MS = 10_000
/** How long it is then not asked again, ms. */
const GIVEN_UP_MS = 60_000
/** Answers that are further apart are not taken together, ms. */
const MOST_APART_MS = 2 * GIVEN_UP_MS

interface Missing {
  /** When the registry first said so, without another answer since; `null`: there was one. */
  readonly sinceMs: number | null
  /** When it last said so. */
  readonly saidMs: number
  /** The last denial. */
  readonly why: TidemarkError
  /** Until when it is not asked again; `null`: it was never believed. */
  readonly givenUpUntilMs: number | null
}

/** The ids of which a registry says that it has no schema, by the clock's elapsed time. */
export class MissingSchemas {
  readonly #missing: LRUCache<number, Missing>

  /** @param most ids in memory */
  constructor(most: number) {
    this.#missing = new LRUCache({ max: most })
  }

  /** The registry says that it has no such schema. */
  denied(id: number, nowMs: number, why: TidemarkError): void {
    const before = this.#missing.get(id)
    const isSame = before !== undefined && nowMs - before.saidMs <= MOST_APART_MS
    const sinceMs = (isSame ? before.sinceMs : null) ?? nowMs
    const isBelieved = nowMs - sinceMs >= BELIEVED_AFTER_MS
    const givenUpUntilMs = isBelieved ? nowMs + GIVEN_UP_MS : (before?.givenUpUntilMs ?? null)
    this.#missing.set(id, { sinceMs, saidMs: nowMs, why, givenUpUntilMs })
  }

  /** The registry did not say whether it has it. */
  unanswered(id: number): void {
    const before = this.#missing.get(id)
    if (before !== undefined) this.#missing.set(id, { ...before, sinceMs: null })
  }

  /** Is it not to be asked for at present? */
  isGivenUp(id: number, nowMs: number): boolean {
    const untilMs = this.#missing.get(id)?.givenUpUntilMs ?? null
    return untilMs !== null && nowMs < untilMs
  }

  /** Why there is no such schema; `null`: the registry never said so. */
  why(id: number): TidemarkError | null {
    return this.#missing.get(id)?.why ?? null
  }

  /**
   * Why it was given up, now or before: records that were prepared then may still be decoded;
   * `null`: it never was.
   */
  whyGivenUp(id: number): TidemarkError | null {
    const missing = this.#missing.get(id)
    return missing === undefined || missing.givenUpUntilMs === null ? null : missing.why
  }
}

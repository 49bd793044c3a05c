import { called } from '../../src/columns/events.ts'
import { Engine, type EngineOptions } from '../../src/engine/engine.ts'
import type { Definition } from '../../src/topology/definition.ts'
import { HASH } from '../support/hash.ts'

/** An engine that calls functions, without limits; its models score nothing, and no table has rows. */
export function engineFor(definition: Definition, o: Partial<EngineOptions> = {}): Engine {
  return new Engine(definition, {
    lookup: () => new Map(),
    limits: { maxKeys: Number.POSITIVE_INFINITY, maxBytes: Number.POSITIVE_INFINITY },
    reader: called,
    forms: [],
    hash: HASH,
    scoring: ({ name }) => ({
      by: [{ label: name, route: name }],
      score: async () => null,
      reused: () => {},
    }),
    ...o,
  })
}

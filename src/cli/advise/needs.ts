import type { Definition } from '../../topology/definition.ts'
import { scoreStepsOf } from '../../topology/graph.ts'

// What use cases need besides latency and volume, and how a topology meets it.

export interface Need {
  readonly why: string
  /** Lines of a topology; empty: commands or the number of workers meet it. */
  readonly lines: readonly string[]
  readonly page: string
  /** Does a topology have it already? */
  isMet(definition: Definition): boolean
}

export const NEEDS = {
  spare: {
    why: '99.99 % leaves 9 s a day: one worker more than the volume needs, so that one may end',
    lines: [],
    page: 'docs/restart.md',
    isMet: () => false,
  },
  fallback: {
    why: 'an event that its model cannot score, or not in time, gets the score of a fallback',
    lines: [
      ".score({ models: { main: model, rules }, otherwise: 'main', fallback: 'rules', fallbackOn: ['budget'] })",
    ],
    page: 'docs/several-models.md',
    isMet: ({ then }) => scoreStepsOf(then).some(({ fallback }) => fallback !== null),
  },
  reuse: {
    why: 'popular ones are scored ahead in a batch, whose scores are a table that the stream reuses',
    lines: [
      "const popular = t.table('popular', { schema: Popular, key: (row) => row.id, from: file(new URL('./popular.ndjson', import.meta.url)) })",
      'batchScore: events.lookup(popular, (e) => e.id).value((row) => row.score)',
      "const batch = rule({ outputs: ['score'] }, (f: { batchScore: number }) => ({ score: f.batchScore }))",
      ".score({ models: { main: model, batch }, route: [{ to: 'batch', when: (_, f) => f.batchScore >= 0 }], otherwise: 'main' }, { missing: 'nan' })",
    ],
    page: 'docs/tables.md',
    isMet: ({ tables, then }) =>
      tables.length > 0 && scoreStepsOf(then).some(({ routes }) => routes.length > 0),
  },
  cache: {
    why: 'rows of a store in Redis stay in the memory of the worker while they are fresh',
    lines: [
      "const items = t.store('items', { schema: Item, from: redis({ key: (id) => `item:${id}` }), fresh: seconds(5), stale: minutes(1), fallback: { rank: 0 } })",
    ],
    page: 'docs/stores.md',
    isMet: ({ stores }) => stores.length > 0,
  },
  ab: {
    why: 'a new model scores a share of the keys; each output says which model made it',
    lines: [
      ".score({ models: { main: model, candidate }, route: [{ to: 'candidate', name: 'canary', share: 0.1 }], otherwise: 'main' })",
    ],
    page: 'docs/several-models.md',
    isMet: ({ then }) =>
      scoreStepsOf(then).some(({ routes }) => routes.some(({ share }) => share !== null)),
  },
  audit: {
    why: 'outputs in a topic can be made again from the log and compared to the bit',
    lines: [],
    page: 'docs/replay.md',
    isMet: () => false,
  },
  drift: {
    why: 'no metric of drift exists: score the same events with a model of newer data, next.onnx, and compare',
    lines: [],
    page: 'docs/commands.md',
    isMet: () => false,
  },
} as const satisfies Record<string, Need>

export type NeedName = keyof typeof NEEDS

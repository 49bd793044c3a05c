import { readdirSync } from 'node:fs'
import { constants, getPriority } from 'node:os'
import { pathToFileURL } from 'node:url'
import { defineTopology, onnxModel, rule } from 'tidemark'
import { expect, onTestFinished, test } from 'vitest'
import type { Definition } from '../../../../src/topology/definition.ts'
import { modelDefinition } from '../../../../src/topology/models.ts'
import type { AnyModel, Shadow } from '../../../../src/topology/score-options.ts'
import { cardGbdt, cardGbdt2 } from '../../../golden/card-models.ts'
import { cardStream } from '../../../golden/card-stream.ts'
import { type TestChoices as Choices, prepare } from '../../../support/in-process.ts'

/** A card topology whose candidate is only a shadow. */
function cards(candidate: AnyModel, shadow: Shadow = {}): Definition {
  return defineTopology('cards', (t) =>
    cardStream(t)
      .score({
        models: { main: cardGbdt, candidate: candidate as typeof cardGbdt },
        otherwise: 'main',
        shadow: { candidate: shadow },
      })
      .map((s) => s.score)
      .sink('predictions'),
  )
}

async function prepared(
  definition: Definition,
  models: Record<string, string> = {},
  o: Pick<Choices, 'maxModelBytes'> = {},
) {
  const choices: Choices = {
    models,
    latencyBudget: 'none',
    ...o,
  }
  const ready = await prepare([definition], choices)
  onTestFinished(() => ready.close())
  return { ...ready, topology: ready.topologies[0] as (typeof ready.topologies)[number] }
}

test('the model of a shadow is loaded in ONNX Runtime, and not as one that decides', async () => {
  const { topology } = await prepared(cards(cardGbdt2))
  expect([...(topology.scorers.get('score')?.scorers.keys() ?? [])]).toEqual(['main'])
  expect(topology.shadows).toMatchObject([
    { number: 0, of: { model: 'candidate' }, scorer: { evaluator: { by: 'onnxruntime' } } },
  ])
})

test('a rule that is a shadow is a function', async () => {
  const half = rule({ outputs: ['probability'] }, () => ({ probability: 0.5 }))
  const { topology } = await prepared(cards(half))
  expect(topology.shadows).toMatchObject([{ scorer: { evaluator: { by: 'function' } } }])
})

test('a shadow whose model cannot be loaded is off, a note says why, and nothing is refused', async () => {
  const gone = onnxModel({
    ...modelDefinition(cardGbdt2),
    file: pathToFileURL('/nowhere/card.onnx'),
  })
  const { topology, notes } = await prepared(cards(gone))
  expect(topology.shadows).toEqual([])
  expect(notes).toContainEqual(
    expect.stringMatching(/^cards\/score: shadow candidate is off: .*\/nowhere\/card\.onnx/),
  )
})

/** The threads of this process that have the lowest priority, by Linux's numbers. */
function backgroundThreads(): number[] {
  const threads = readdirSync('/proc/self/task').map(Number)
  return threads.filter((thread) => getPriority(thread) === constants.priority.PRIORITY_LOW)
}

test.runIf(process.platform === 'linux')(
  'a shadow runs when nothing else needs the processor; what decides does not wait for it',
  async () => {
    const [before, priority] = [backgroundThreads(), getPriority()]
    await prepared(cards(cardGbdt2))
    expect(backgroundThreads().filter((thread) => !before.includes(thread))).not.toEqual([])
    // That of the main thread.
    expect(getPriority()).toBe(priority)
  },
)

test('a shadow that does not fit into the memory for models is off, and the others are not', async () => {
  const { topology: all } = await prepared(cards(cardGbdt2))
  const bytesOf = (of: { readonly size: { readonly bytes: number | null } } | undefined) =>
    of?.size.bytes ?? 0
  const main = bytesOf(all.scorers.get('score')?.scorers.get('main'))
  const shadow = bytesOf(all.shadows[0]?.scorer)
  expect(shadow).toBeGreaterThan(0)
  const most = main + Math.floor(shadow / 2)
  const { topology, notes } = await prepared(cards(cardGbdt2), {}, { maxModelBytes: most })
  expect(topology.scorers.size).toBe(1)
  expect(topology.shadows).toEqual([])
  expect(notes).toContainEqual(
    expect.stringMatching(/candidate is off: the models take .* MB: others .*, card-gbdt-v2@1 /),
  )
})

test('the operator may choose the file of a model that is only a shadow', async () => {
  const file = new URL('../../../fixtures/models/card-mlp.onnx', import.meta.url).pathname
  const { topology } = await prepared(cards(cardGbdt2), { 'card-gbdt-v2': file })
  expect(topology.shadows[0]?.scorer.label).toBe('card-gbdt-v2@1+1336e13f')
})

test('a shadow makes no difference to tidemark-by', async () => {
  const { topology: bare } = await prepared(
    defineTopology('cards', (t) =>
      cardStream(t)
        .score({ models: { main: cardGbdt }, otherwise: 'main' })
        .map((s) => s.score)
        .sink('predictions'),
    ),
  )
  const { topology } = await prepared(cards(cardGbdt2))
  expect([topology.by, topology.fingerprint]).toEqual([bare.by, bare.fingerprint])
})

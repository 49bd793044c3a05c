import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { Refused, type TidemarkError } from '../../src/kernel/errors.ts'
import { proveModel } from '../../src/scoring/load-gate.ts'
import type { ModelUse } from '../../src/scoring/load-model.ts'
import { OnnxSession } from '../../src/scoring/onnx-session.ts'
import { openInline } from '../../src/scoring/open-model.ts'
import { type Runner, readingOf } from '../../src/scoring/runner.ts'
import { ThreadRunner } from '../../src/scoring/thread-runner.ts'
import { readUnchecked } from '../../src/scoring/unchecked-model.ts'
import type { ModelDefinition } from '../../src/topology/models.ts'
import { cardGbdt } from '../fixtures/models/card-gbdt.model.ts'

/** Names of the card models' features. */
export const CARD_FEATURES: readonly string[] = cardGbdt.features

/** Folder of the models that only tests need. */
export const FIXTURES = new URL('../fixtures/models/', import.meta.url)

/** The definition of a card model with the hash of its file, and without golden rows. */
export function cardModel(name: string, other: Partial<ModelDefinition> = {}): ModelDefinition {
  const file = new URL(`${name}.onnx`, FIXTURES)
  return {
    name,
    version: '1',
    file,
    sha256: createHash('sha256').update(readFileSync(file)).digest('hex'),
    input: 'features',
    features: CARD_FEATURES,
    outputs: { probability: { tensor: 'probability', column: 0 } },
    ...other,
  }
}

/** The golden file of a model in {@link FIXTURES}. */
export function goldenOf(name: string): URL {
  return new URL(`${name}.golden.json`, FIXTURES)
}

/** A step that scores with a model. */
export function useOf(model: ModelDefinition, other: Partial<ModelUse> = {}): ModelUse {
  return { step: 'score', model, missing: 'refuse', latencyBudgetMs: 1_000, ...other }
}

/** The same model on this thread and on another one; the caller closes both. */
export async function bothRunners(
  model: ModelDefinition,
): Promise<Record<'inline' | 'thread', Runner>> {
  const bytes = readFileSync(model.file)
  const reading = readingOf(model)
  return {
    inline: await OnnxSession.load(bytes, reading),
    thread: await ThreadRunner.start('m@1', { bytes, reading }),
  }
}

/** The faults for which a model is refused before it is measured. */
export async function gateFaults(model: ModelDefinition): Promise<readonly TidemarkError[]> {
  try {
    const { runner } = await proveModel(
      await readUnchecked({ model, where: 'here' }, null, null),
      openInline,
    )
    await runner.close()
    return []
  } catch (error) {
    return error instanceof Refused ? error.faults : [error as TidemarkError]
  }
}

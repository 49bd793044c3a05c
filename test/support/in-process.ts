import { type WorkerConfig, workerConfig } from '../../src/runtime/config.ts'
import type { Prepared } from '../../src/runtime/prepared.ts'
import { type Choices, prepare as prepareWhole } from '../../src/runtime/start/prepare.ts'
import {
  startWorker as startWhole,
  type Worker,
  type WorkerOptions,
} from '../../src/runtime/worker.ts'
import type { Definition } from '../../src/topology/definition.ts'

// Workers of tests, whose settings have their defaults where a test says nothing else.

export interface TestChoices extends Partial<WorkerConfig>, Choices {}

export interface TestWorkerOptions
  extends Partial<Omit<WorkerConfig, 'group'>>,
    Omit<WorkerOptions, 'config'> {}

export function prepare(
  definitions: readonly Definition[],
  choices: TestChoices = {},
): Promise<Prepared> {
  return prepareWhole(definitions, workerConfig(choices), choices)
}

export function startWorker(options: TestWorkerOptions): Worker {
  return startWhole({ ...options, config: workerConfig(options) })
}

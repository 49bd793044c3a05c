import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { folderWith } from '../support/folder.ts'
import { Answers } from './answers.ts'
import { expectedOf, openModel } from './check.ts'
import { SEED } from './input.ts'
import { modelFile } from './measurements.ts'
import { paymentLines } from './payments.ts'

const EVENTS = 300

async function outputsOf(model: string): Promise<string[]> {
  const runner = await openModel(modelFile(model))
  const { outputs } = await expectedOf(
    [...paymentLines(EVENTS, SEED)].map((l) => Buffer.from(l)),
    runner,
  )
  await runner.close()
  return [...outputs].map(([paymentId, output]) => JSON.stringify({ paymentId, ...output }))
}

test('outputs pass only for the model that scored them, and only if none is missing', async () => {
  const file = join(folderWith({}), 'outputs.ndjson')
  const answers = new Answers(EVENTS)
  const lines = await outputsOf('card-mlp')
  writeFileSync(file, `${lines.join('\n')}\n`)
  await expect(answers.check('card-mlp', file)).resolves.toBeUndefined()
  await expect(answers.check('card-gbdt', file)).rejects.toThrow(/wrong answers: .*"different":\d/)
  writeFileSync(file, `${lines.slice(1).join('\n')}\n`)
  await expect(answers.check('card-mlp', file)).rejects.toThrow(/wrong answers: .*"missing":1/)
})

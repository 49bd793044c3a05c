import { messageOf } from '../kernel/errors.ts'
import type { Answer, Comparison } from './compare-apart.ts'
import { OnnxSession } from './onnx-session.ts'
import { SessionRunner } from './runner.ts'
import { differenceFrom } from './tree-comparison.ts'
import { TreeRunner } from './tree-runner.ts'

// Entry of a process that compares a model's trees with ONNX Runtime, so that a worker need not
// load that.

async function compare({ bytes, reading }: Comparison): Promise<Answer> {
  const trees = TreeRunner.of(bytes, reading)
  if (typeof trees === 'string') return { failed: trees }
  try {
    const runner = new SessionRunner(await OnnxSession.load(bytes), reading)
    const differs = await differenceFrom(runner, trees)
    await runner.close()
    return { differs }
  } catch (error) {
    return { failed: messageOf(error) }
  }
}

async function answer(asked: Comparison): Promise<void> {
  process.send?.(await compare(asked))
  process.disconnect()
}

process.once('message', (asked: Comparison) => void answer(asked))

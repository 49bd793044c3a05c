import { messageOf } from '../kernel/errors.ts'
import { OnnxSession } from './onnx-session.ts'
import { readingOf } from './runner.ts'
import { differenceFrom, slownessBeside } from './tree-comparison.ts'
import { type Comparison, type ComparisonReply, TreeRunner } from './tree-runner.ts'

// Entry of a process that compares a model's trees with ONNX Runtime, so that the worker need not
// load ONNX Runtime.

async function compare({ bytes, reading }: Comparison): Promise<ComparisonReply> {
  const trees = TreeRunner.read(bytes, reading)
  if (typeof trees === 'string') return { whyNot: trees }
  try {
    const runner = await OnnxSession.load(bytes, readingOf(reading))
    const whyNot = (await slownessBeside(runner, trees)) ?? (await differenceFrom(runner, trees))
    await runner.close()
    return { whyNot }
  } catch (error) {
    return { failed: messageOf(error) }
  }
}

async function answer(comparison: Comparison): Promise<void> {
  process.send?.(await compare(comparison))
  process.disconnect()
}

process.once('message', (comparison: Comparison) => void answer(comparison))

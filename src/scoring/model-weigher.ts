import { messageOf } from '../kernel/errors.ts'
import { expModel } from '../trees/exp-model.ts'
import { answerApart, type ReplyApart } from './ask-apart.ts'
import { OnnxSession } from './onnx-session.ts'
import { type Runner, SessionRunner } from './runner.ts'
import { TreeRunner } from './tree-runner.ts'
import type { Weighing, Weight } from './weigh-apart.ts'

// Entry of a process that finds out how much memory a model takes.

async function weigh({ bytes, reading, isTrees, rows }: Weighing): Promise<ReplyApart<Weight>> {
  try {
    // What ONNX Runtime itself takes is not the model's.
    if (!isTrees) await OnnxSession.load(expModel().bytes)
    const before = process.memoryUsage.rss()
    const runner = await opened({ bytes, reading, isTrees, rows })
    await runner.run(new Float32Array(rows * reading.features.length), rows)
    return { bytes: Math.max(0, process.memoryUsage.rss() - before) }
  } catch (error) {
    return { failed: messageOf(error) }
  }
}

async function opened({ bytes, reading, isTrees }: Weighing): Promise<Runner> {
  if (!isTrees) return new SessionRunner(await OnnxSession.load(bytes), reading)
  const trees = TreeRunner.of(bytes, reading)
  if (typeof trees === 'string') throw new Error(trees)
  return trees
}

answerApart(weigh)

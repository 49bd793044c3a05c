import { messageOf, TidemarkError } from '../kernel/errors.ts'
import { type Candidate, labelOf } from './candidate.ts'
import { InlineRunner, type MeasuredRunner } from './measured-runner.ts'
import { type ModelBytes, refusedModel } from './model-bytes.ts'
import { OnnxSession } from './onnx-session.ts'
import { readingOf, SessionRunner } from './runner.ts'
import type { Signature } from './signature.ts'
import { ModelRefused, ThreadRunner } from './thread-runner.ts'

/** A model that can be run, and the inputs and outputs that its file declares. */
export interface OpenedModel {
  readonly runner: MeasuredRunner
  readonly signature: Signature
}

/**
 * Loads a model file into ONNX Runtime, on this thread.
 *
 * @throws TidemarkError `MODEL_LOAD` with what is probably wrong with the file
 */
export async function loadSession(found: ModelBytes, where: string): Promise<OnnxSession> {
  try {
    return await OnnxSession.load(found.bytes)
  } catch (cause) {
    throw refusedModel(found, where, cause)
  }
}

/** Opens a model in ONNX Runtime, on this thread. @throws TidemarkError `MODEL_LOAD` */
export async function openInline({ model, found, where }: Candidate): Promise<OpenedModel> {
  const session = await loadSession(found, where)
  const runner = new InlineRunner(new SessionRunner(session, readingOf(model)))
  return { runner, signature: session }
}

/**
 * Opens a model in ONNX Runtime, on a thread of its own.
 *
 * @param isBackground whether it runs when nothing else needs the processor
 * @throws TidemarkError `MODEL_LOAD`
 */
export async function openInThread(
  candidate: Candidate,
  isBackground = false,
): Promise<OpenedModel> {
  const { model, found, where } = candidate
  try {
    const data = { bytes: found.bytes, reading: readingOf(model), isBackground }
    const runner = await ThreadRunner.start(labelOf(candidate), data)
    return { runner, signature: runner.signature }
  } catch (cause) {
    if (cause instanceof ModelRefused) throw refusedModel(found, where, cause)
    const message = `${labelOf(candidate)}: its scoring thread did not start: ${messageOf(cause)}`
    const hint = 'is the package built and complete? the thread loads dist/scoring/scorer-thread.js'
    throw new TidemarkError('MODEL_LOAD', message, { where, hint, cause })
  }
}

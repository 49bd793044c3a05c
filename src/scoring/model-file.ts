import { basename } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Refused, type TidemarkError } from '../kernel/errors.ts'
import type { ModelDefinition } from '../topology/definition.ts'
import { readGolden } from './golden.ts'
import { type Candidate, proveModel } from './load-gate.ts'
import { loadModel, readModel } from './model-bytes.ts'
import { SCORE_TYPES, type TensorInfo } from './onnx-session.ts'

/** Where each score is. */
export type Outputs = ModelDefinition['outputs']

/** What there is to know about a model file; plain data. */
export interface Inspection {
  /** As it was given. */
  readonly file: string
  readonly goldenFile: string | null
  readonly bytes: number
  /** Lower-case hex. */
  readonly sha256: string
  readonly inputs: readonly TensorInfo[]
  readonly outputs: readonly TensorInfo[]
  /** Of the golden file; `null` without one. */
  readonly features: readonly string[] | null
  /** See {@link suggestOutputs}. */
  readonly suggested: Outputs
  /** For what a topology with the suggested outputs would refuse it. */
  readonly problems: readonly TidemarkError[]
}

/**
 * Looks at a model as the start of a topology would, without a topology: features are the golden file's, outputs the suggested.
 *
 * @throws TidemarkError `MODEL_FILE`, `MODEL_LOAD`, and `MODEL_GOLDEN` when the golden file cannot be read
 */
export async function inspectModel(file: string, goldenFile?: string): Promise<Inspection> {
  const found = await readModel(pathToFileURL(file), file)
  const session = await loadModel(found, file)
  const { inputs, outputs } = session
  await session.release()
  const goldenUrl = goldenFile === undefined ? null : pathToFileURL(goldenFile)
  const golden = goldenUrl && (await readGolden(goldenUrl, file))
  const suggested = suggestOutputs(outputs)
  const model: ModelDefinition = {
    name: basename(file, '.onnx'),
    version: '?',
    file: found.file,
    sha256: found.sha256,
    input: inputs[0]?.name ?? '',
    features: golden?.features ?? placeholders(inputs[0]),
    outputs: { ...suggested, ...unreadable(outputs) },
  }
  const candidate = { model, found, sha256: null, golden: goldenUrl, where: file }
  return {
    file,
    goldenFile: goldenFile ?? null,
    bytes: found.bytes.length,
    sha256: found.sha256,
    inputs,
    outputs,
    features: golden?.features ?? null,
    suggested,
    problems: await problemsOf(candidate),
  }
}

/**
 * Which scores a model probably gives. A float tensor [N] or [N, 1] is one, by its own name; [N, 2] is a classifier's pair, of
 * which column 1 is the `probability`; [N, n] is one a column, numbered from 0. A whole-number tensor (a label) only counts
 * when there is nothing else.
 */
export function suggestOutputs(outputs: readonly TensorInfo[]): Outputs {
  const isFloat = ({ type }: TensorInfo) => type === 'float32' || type === 'float64'
  const floats = outputs.filter(isFloat)
  const rest = outputs.filter((o) => o.type !== null && SCORE_TYPES.includes(o.type))
  const tensors = floats.length > 0 ? floats : rest.slice(0, 1)
  const suggested: Record<string, Outputs[string]> = {}
  for (const { name, shape } of tensors) {
    const columns = typeof shape[1] === 'number' ? shape[1] : 1
    if (columns === 1) suggested[name] = { tensor: name, column: 0 }
    else if (columns === 2)
      suggested['probability' in suggested ? name : 'probability'] = { tensor: name, column: 1 }
    else
      for (let column = 0; column < columns; column++)
        suggested[`${name}${column}`] = { tensor: name, column }
  }
  return suggested
}

/** Outputs that are no tensors, declared so that the gate says how to export without. */
function unreadable(outputs: readonly TensorInfo[]): Outputs {
  const broken = outputs.filter((o) => o.type === null)
  return Object.fromEntries(broken.map(({ name }) => [name, { tensor: name, column: 0 }]))
}

function placeholders(input: TensorInfo | undefined): string[] {
  const columns = input?.shape[1]
  return Array.from({ length: typeof columns === 'number' ? columns : 0 }, (_, i) => `f${i}`)
}

async function problemsOf(candidate: Candidate): Promise<readonly TidemarkError[]> {
  try {
    const { runner } = await proveModel(candidate)
    await runner.close()
    return []
  } catch (error) {
    if (error instanceof Refused) return error.faults
    throw error
  }
}

import { basename } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Refused, type TidemarkError } from '../kernel/errors.ts'
import type { ModelDefinition } from '../topology/models.ts'
import type { Candidate } from './candidate.ts'
import { type Golden, readGolden } from './golden.ts'
import { proveModel } from './load-gate.ts'
import { readModel } from './model-bytes.ts'
import { SCORE_TYPES, type TensorInfo } from './onnx-session.ts'
import { loadSession, openInline } from './open-model.ts'

/** Where each score is found in the model's outputs. */
export type Outputs = ModelDefinition['outputs']

/** What is known about a model file; plain data. */
export interface Inspection {
  /** As passed in. */
  readonly file: string
  readonly goldenFile: string | null
  readonly bytes: number
  /** Lower-case hex. */
  readonly sha256: string
  readonly inputs: readonly TensorInfo[]
  readonly outputs: readonly TensorInfo[]
  /** From the golden file; `null` without one. */
  readonly features: readonly string[] | null
  /** See {@link suggestOutputs}. */
  readonly suggested: Outputs
  /** The faults for which a topology with the suggested outputs would refuse it. */
  readonly problems: readonly TidemarkError[]
}

/**
 * Checks a model as the start of a topology would, but without a topology: with the features of the
 * golden file and the suggested outputs.
 *
 * @throws TidemarkError `MODEL_FILE`, `MODEL_LOAD`, and `MODEL_GOLDEN` when the golden file cannot
 * be read
 */
export async function inspectModel(file: string, goldenFile?: string): Promise<Inspection> {
  const found = await readModel(pathToFileURL(file), file)
  const session = await loadSession(found, file)
  const { inputs, outputs } = session
  await session.release()
  const goldenUrl = goldenFile === undefined ? null : pathToFileURL(goldenFile)
  const golden = goldenUrl && (await readGolden(goldenUrl, file))
  const suggested = suggestOutputs(outputs, golden)
  const inspection = {
    file,
    goldenFile: goldenFile ?? null,
    bytes: found.bytes.length,
    sha256: found.sha256,
    inputs,
    outputs,
    features: golden?.features ?? null,
    suggested,
  }
  const model = definitionOf(inspection)
  const candidate = { model, found, sha256: null, golden: goldenUrl, where: file }
  return { ...inspection, problems: await problemsOf(candidate) }
}

/** The definition that a model was checked with: features without names are `f0`, `f1`, …. */
export function definitionOf({
  file,
  goldenFile,
  sha256,
  inputs,
  outputs,
  features,
  suggested,
}: Omit<Inspection, 'problems'>): ModelDefinition {
  return {
    name: basename(file, '.onnx'),
    version: '?',
    file: pathToFileURL(file),
    sha256,
    input: inputs[0]?.name ?? '',
    features: features ?? placeholders('f', columnsOf(inputs[0])),
    outputs: { ...suggested, ...unreadable(outputs) },
    ...(goldenFile === null ? {} : { golden: pathToFileURL(goldenFile) }),
  }
}

/**
 * The scores that a model probably returns, each named after its tensor. [N] and [N, 1] are one
 * number; the columns of [N, n] are named as in the golden scores, otherwise `c0`, `c1`, …. The
 * tensors are those that the golden scores name; otherwise all float tensors; otherwise, when there
 * are only integer tensors, the first.
 */
export function suggestOutputs(outputs: readonly TensorInfo[], golden: Golden | null): Outputs {
  const readable = outputs.filter((o) => o.type !== null && SCORE_TYPES.includes(o.type))
  const named = readable.filter((o) => goldenColumns(o.name, golden) !== null)
  const floats = readable.filter(({ type }) => type === 'float32' || type === 'float64')
  const tensors = [named, floats, readable.slice(0, 1)].find((some) => some.length > 0) ?? []
  return Object.fromEntries(tensors.map((o) => [o.name, suggestOutput(o, golden)]))
}

function suggestOutput({ name, shape }: TensorInfo, golden: Golden | null): Outputs[string] {
  const width = typeof shape[1] === 'number' ? shape[1] : 1
  if (width === 1) return { tensor: name, column: 0 }
  const columns = goldenColumns(name, golden)
  return { tensor: name, columns: columns?.length === width ? columns : placeholders('c', width) }
}

/**
 * The columns of an output that the golden scores name; empty when it is one number; `null` when
 * they do not name it.
 */
function goldenColumns(output: string, golden: Golden | null): string[] | null {
  if (golden?.outputs.of !== 'scores') return null
  const names = [...(golden.outputs.rows[0]?.keys() ?? [])]
  const columns = names.filter((name) => name.startsWith(`${output}.`))
  if (columns.length === 0 && !names.includes(output)) return null
  return columns.map((name) => name.slice(output.length + 1))
}

/** Outputs that are not tensors, declared so that the checks say how to export without them. */
function unreadable(outputs: readonly TensorInfo[]): Outputs {
  const broken = outputs.filter((o) => o.type === null)
  return Object.fromEntries(broken.map(({ name }) => [name, { tensor: name, column: 0 }]))
}

function columnsOf(input: TensorInfo | undefined): number {
  const columns = input?.shape[1]
  return typeof columns === 'number' ? columns : 0
}

function placeholders(letter: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${letter}${i}`)
}

async function problemsOf(candidate: Candidate): Promise<readonly TidemarkError[]> {
  try {
    const { runner } = await proveModel(candidate, openInline)
    await runner.close()
    return []
  } catch (error) {
    if (error instanceof Refused) return error.faults
    throw error
  }
}

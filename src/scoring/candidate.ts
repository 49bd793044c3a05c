import { existsSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import type { ModelDefinition } from '../topology/models.ts'
import { type ModelBytes, readModel } from './model-bytes.ts'

/** A model file to be checked against a topology's model definition. */
export interface Candidate {
  readonly model: ModelDefinition
  readonly found: ModelBytes
  /** The hash that the file must have; `null`: any, because the operator chose the file. */
  readonly sha256: string | null
  readonly golden: URL | null
  /** Shown with a fault. */
  readonly where: string
}

/**
 * Reads the file of a model, and finds its golden file.
 *
 * @param chosenFile the operator's choice; `null`: the model's own file
 * @throws TidemarkError `MODEL_FILE`
 */
export async function candidateOf(
  { model, where }: Pick<Candidate, 'model' | 'where'>,
  chosenFile: string | null,
): Promise<Candidate> {
  const found = await readModel(chosenFile === null ? model.file : pathToFileURL(chosenFile), where)
  const golden = chosenFile === null ? (model.golden ?? null) : goldenBeside(model, found)
  return { model, found, sha256: chosenFile === null ? model.sha256 : null, golden, where }
}

/**
 * Golden rows of a chosen file: the golden file next to it, or the model's own golden file when the
 * chosen file has the same bytes as the model's own.
 */
function goldenBeside(model: ModelDefinition, { file, sha256 }: ModelBytes): URL | null {
  const beside = new URL(file.href.replace(/(\.onnx)?$/, '.golden.json'))
  if (existsSync(beside)) return beside
  return sha256 === model.sha256 ? (model.golden ?? null) : null
}

/** The label of its scorer. */
export function labelOf({ model, found, sha256 }: Candidate): string {
  const own = `${model.name}@${model.version}`
  return sha256 === null ? `${own}+${found.sha256.slice(0, 8)}` : own
}

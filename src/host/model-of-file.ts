import { existsSync } from 'node:fs'
import { configFault, refuseIfAny } from '../kernel/errors.ts'
import { definitionOf, inspectModel } from '../scoring/model-file.ts'
import { modelUrl } from '../scoring/model-files.ts'
import type { ModelDefinition } from '../topology/models.ts'
import { endReading, importAuthorFile } from './author-files.ts'

const IS_SOURCE = /\.[cm]?[jt]s$/

/**
 * The model that a `.model.ts` exports, or that of an ONNX file, with the features of the
 * `.golden.json` next to it.
 *
 * @throws Refused, TidemarkError the faults for which a topology would refuse the file, or
 * `CONFIG_INVALID`: it exports no model, or several
 */
export async function modelOfFile(file: string): Promise<ModelDefinition> {
  try {
    const isFile = modelUrl(file).protocol === 'file:'
    const isSource = isFile && IS_SOURCE.test(file)
    return isSource ? await declaredModel(file) : await foundModel(file)
  } finally {
    await endReading()
  }
}

async function declaredModel(file: string): Promise<ModelDefinition> {
  const exported = (await importAuthorFile(file)) as object
  // With CommonJS, the author's exports are in the default export.
  const all = { ...(exported as { default?: object }).default, ...exported }
  const named = Object.entries(all).filter(([, value]) => isModel(value))
  const models = [...new Set(named.map(([, value]) => value as ModelDefinition))]
  const [model] = models
  if (model !== undefined && models.length === 1) return model
  const message =
    models.length === 0
      ? 'exports no model'
      : `exports ${models.length} models: ${named.map(([name]) => name).join(', ')}`
  const hint = '`tidemark model types` writes a file with one model'
  throw configFault(message, file, hint)
}

/** Checks properties, not the class, because a CommonJS author has another copy of this package. */
function isModel(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  return ['name', 'version', 'file', 'features', 'outputs'].every((key) => key in value)
}

async function foundModel(file: string): Promise<ModelDefinition> {
  const goldenFile = file.replace(/(\.onnx)?$/, '.golden.json')
  const inspection = await inspectModel(file, existsSync(goldenFile) ? goldenFile : undefined)
  refuseIfAny(inspection.problems)
  return definitionOf(inspection)
}

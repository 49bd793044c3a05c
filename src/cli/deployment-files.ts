import { stat } from 'node:fs/promises'
import { relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { candidateOf } from '../scoring/candidate.ts'
import type { Definition } from '../topology/definition.ts'
import { isOnlyShadow, scoreStepsOf } from '../topology/graph.ts'
import { isTrained, type ModelDefinition } from '../topology/models.ts'
import { count, plural } from './print.ts'
import { table } from './table.ts'
import { endReading, ownFilesOf } from './topology-bundle.ts'

/** What a deployment is made of. */
export interface Deployed {
  /** The topology files. */
  readonly files: readonly string[]
  readonly definitions: readonly Definition[]
  /** Model name → the file that the operator chose instead. */
  readonly models: ReadonlyMap<string, string>
}

/**
 * One line per file that a deployment needs, with its path, relative to the working directory, and
 * its size: the topologies and the author's own files that they import, models and their golden
 * rows, and tables in files. Installed packages are not among them.
 */
export async function deploymentLines({ files, definitions, models }: Deployed): Promise<string[]> {
  const own = await Promise.all(files.map((file) => ownFilesOf(resolve(file))))
  await endReading()
  const data = await Promise.all(definitions.map((definition) => dataOf(definition, models)))
  const paths = new Set([...own.flat(), ...data.flat()].map((path) => relative('.', path)))
  const sizes = await Promise.all([...paths].map(async (path) => (await stat(path)).size))
  const all = sizes.reduce((sum, size) => sum + size, 0)
  const rows = [...paths].map((path, i) => [`  ${path}`, kilobytes(sizes[i] as number)])
  return [`needs ${plural(paths.size, 'file')}, ${kilobytes(all)}`, ...table(rows)]
}

async function dataOf(
  definition: Definition,
  chosen: ReadonlyMap<string, string>,
): Promise<string[]> {
  const tables = definition.tables.flatMap(({ from }) =>
    from.file === undefined ? [] : [from.file],
  )
  const models = await Promise.all(
    modelsOf(definition).map(async ({ model, isRequired }) => {
      const file = chosen.get(model.name) ?? null
      try {
        const { found, golden } = await candidateOf({ model, where: definition.name }, file)
        return golden === null ? [found.file] : [found.file, golden]
      } catch (error) {
        // A shadow without its file is off, which a note says.
        if (isRequired) throw error
        return []
      }
    }),
  )
  return [...models.flat(), ...tables].map((url) => fileURLToPath(url))
}

interface ModelOfStep {
  readonly model: ModelDefinition
  /** Else it is only watched. */
  readonly isRequired: boolean
}

function modelsOf(definition: Definition): ModelOfStep[] {
  return scoreStepsOf(definition.then).flatMap((step) =>
    Object.entries(step.models).flatMap(([name, model]) =>
      isTrained(model) ? [{ model, isRequired: !isOnlyShadow(step, name) }] : [],
    ),
  )
}

function kilobytes(bytes: number): string {
  return `${count(Math.ceil(bytes / 1_000))} KB`
}

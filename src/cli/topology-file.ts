import { TidemarkError } from '../kernel/errors.ts'
import { type Definition, isDefinition } from '../topology/definition.ts'
import { importAuthorFile } from './author-file.ts'
import { endReading } from './topology-bundle.ts'

/** The result of loading topology files. */
export interface TopologyFiles {
  readonly definitions: readonly Definition[]
  /**
   * Why the other files cannot be used: `TOPOLOGY_LOAD`, or the code with which the author's
   * builder calls were refused.
   */
  readonly faults: readonly TidemarkError[]
}

/** Loads each file's default export: TypeScript or JavaScript, as an ES module or CommonJS. */
export async function loadTopologies(files: readonly string[]): Promise<TopologyFiles> {
  const definitions: Definition[] = []
  const faults: TidemarkError[] = []
  for (const file of files) {
    try {
      definitions.push(await load(file))
    } catch (error) {
      if (!(error instanceof TidemarkError)) throw error
      faults.push(error)
    }
  }
  await endReading()
  return { definitions, faults }
}

/** Loads the topology of one file. @throws TidemarkError see {@link TopologyFiles.faults} */
export async function loadTopology(file: string): Promise<Definition> {
  const { definitions, faults } = await loadTopologies([file])
  const [definition] = definitions
  if (definition === undefined) throw faults[0] ?? notATopology(file, undefined)
  return definition
}

async function load(file: string): Promise<Definition> {
  const exported = defaultOf(defaultOf(await importAuthorFile(file)))
  if (!isDefinition(exported)) throw notATopology(file, exported)
  return exported
}

/**
 * The default export; for CommonJS, the exports object is the default and contains the author's.
 */
function defaultOf(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || isDefinition(value)) return value
  return 'default' in value ? value.default : undefined
}

function notATopology(file: string, exported: unknown): TidemarkError {
  const what =
    exported === undefined
      ? 'has no default export'
      : `exports ${exported === null ? 'null' : `a value of type ${typeof exported}`} by default, not a topology`
  const hint = "write: export default defineTopology('name', (t) => …)"
  return new TidemarkError('TOPOLOGY_LOAD', what, { where: file, hint })
}

import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { relative, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type Code, messageOf, TidemarkError } from '../kernel/errors.ts'
import { type Definition, isDefinition } from '../topology/definition.ts'

export interface TopologyFiles {
  readonly definitions: readonly Definition[]
  /** What keeps the other files from being used: `TOPOLOGY_LOAD`, or what the author's builder calls were refused for. */
  readonly faults: readonly TidemarkError[]
}

/** Loads each file's default export. TypeScript and JavaScript, as a module or, in a folder without `"type": "module"`, as CommonJS. */
export async function loadTopologies(files: readonly string[]): Promise<TopologyFiles> {
  await readTypeScript()
  const definitions: Definition[] = []
  const faults: TidemarkError[] = []
  for (const file of files) {
    try {
      definitions.push(await load(file))
    } catch (thrown) {
      faults.push(asFault(thrown, file))
    }
  }
  return { definitions, faults }
}

/** Loads the one topology of a file. @throws TidemarkError see {@link loadTopologies} */
export async function loadTopology(file: string): Promise<Definition> {
  const { definitions, faults } = await loadTopologies([file])
  const [definition] = definitions
  if (definition === undefined) throw faults[0] ?? notATopology(file, undefined)
  return definition
}

/** Both loaders: Node asks one for modules, the other for what a CommonJS folder's TypeScript becomes. */
async function readTypeScript(): Promise<void> {
  const [modules, commonJs] = await Promise.all([import('tsx/esm/api'), import('tsx/cjs/api')])
  modules.register()
  commonJs.register()
}

async function load(file: string): Promise<Definition> {
  const path = resolve(file)
  if (!existsSync(path)) {
    throw new TidemarkError('TOPOLOGY_LOAD', 'there is no such file', { where: file })
  }
  const loaded = (await import(pathToFileURL(path).href)) as { default?: unknown }
  const exported = defaultOf(defaultOf(loaded))
  if (!isDefinition(exported)) throw notATopology(file, exported)
  return exported
}

/** A CommonJS file's exports arrive as the default export, with the author's default in them. */
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

function asFault(thrown: unknown, file: string): TidemarkError {
  // By name: a CommonJS author has a copy of this package of their own.
  if (thrown instanceof Error && thrown.name === 'TidemarkError' && 'code' in thrown) {
    const { message, hint, where = file } = thrown as TidemarkError
    const details = hint === undefined ? { where } : { where, hint }
    return new TidemarkError(thrown.code as Code, message, details)
  }
  return new TidemarkError('TOPOLOGY_LOAD', reasonOf(thrown), {
    where: whereOf(thrown, file),
    cause: thrown,
    ...hintFor(thrown),
  })
}

/** What esbuild says of a file it cannot read: `/path/file.ts:2:10: ERROR: Unexpected "="`. */
const TRANSFORM_ERROR = /^(.+?:\d+:\d+): ERROR: (.+)$/m

function reasonOf(thrown: unknown): string {
  const message = messageOf(thrown)
  return TRANSFORM_ERROR.exec(message)?.[2] ?? message.split('\nRequire stack:')[0] ?? message
}

function whereOf(thrown: unknown, file: string): string {
  const place = TRANSFORM_ERROR.exec(messageOf(thrown))?.[1]
  if (place !== undefined) return shortest(place)
  const stack = thrown instanceof Error ? (thrown.stack ?? '') : ''
  const at =
    linesOf(resolve(file)).exec(stack) ?? linesOf(resolve(file)).exec(checkSyntax(thrown, file))
  return at === null ? file : `${file}:${at[1]}`
}

function shortest(path: string): string {
  const fromHere = relative(process.cwd(), path)
  return fromHere.startsWith('..') ? path : fromHere
}

function linesOf(path: string): RegExp {
  return new RegExp(`${path.replace(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)}:(\\d+)`)
}

/** Node keeps the place of a syntax error in JavaScript to itself unless it is the one to print it. */
function checkSyntax(thrown: unknown, file: string): string {
  if (!(thrown instanceof SyntaxError)) return ''
  return spawnSync(process.execPath, ['--check', file], { encoding: 'utf8' }).stderr
}

function hintFor(thrown: unknown): { hint?: string } {
  const missing = /Cannot find (?:package|module) '([^'./][^']*)'/.exec(messageOf(thrown))?.[1]
  return missing === undefined
    ? {}
    : { hint: `npm install ${missing}, in the folder of the topology` }
}

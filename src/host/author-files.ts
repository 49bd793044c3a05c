import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import {
  type BuildOptions,
  build,
  type Message,
  type OnLoadResult,
  type OnResolveArgs,
  type Plugin,
  stop,
} from 'esbuild'
import { type Code, messageOf, TidemarkError, unlessRefused } from '../kernel/errors.ts'
import { type Definition, isDefinition } from '../topology/definition.ts'
import { PACKAGE } from './own-package.ts'

export { stop as endReading } from 'esbuild'

/** Loads each file's default export: TypeScript or JavaScript, as an ES module or CommonJS. */
export async function loadTopologies(files: readonly string[]) {
  const definitions: Definition[] = []
  const faults: TidemarkError[] = []
  for (const file of files) {
    const definition = await unlessRefused(() => load(file), faults)
    if (definition !== null) definitions.push(definition)
  }
  await stop()
  return { definitions, faults }
}

async function load(file: string): Promise<Definition> {
  const exported = defaultOf(defaultOf(await importAuthorFile(file)))
  if (!isDefinition(exported)) throw notATopology(file, exported)
  return exported
}

/** The default export. With CommonJS, the default is the exports object, which has the author's. */
function defaultOf(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || isDefinition(value)) return value
  return 'default' in value ? value.default : undefined
}

function notATopology(file: string, exported: unknown): TidemarkError {
  const message =
    exported === undefined
      ? 'has no default export'
      : `exports ${exported === null ? 'null' : `a value of type ${typeof exported}`} by default, not a topology`
  const hint = "write: export default defineTopology('name', (t) => …)"
  return new TidemarkError('TOPOLOGY_LOAD', message, { where: file, hint })
}

/**
 * Imports an author's file.
 * @throws TidemarkError `TOPOLOGY_LOAD`, or the code with which a builder call was refused
 */
export async function importAuthorFile(file: string): Promise<unknown> {
  const path = resolve(file)
  if (!existsSync(path)) {
    throw new TidemarkError('TOPOLOGY_LOAD', 'there is no such file', { where: file })
  }
  try {
    return await importBundle(path)
  } catch (thrown) {
    throw asFault(thrown, file)
  }
}

function asFault(thrown: unknown, file: string): TidemarkError {
  // Compares names, because a CommonJS author has another copy of this package.
  if (thrown instanceof Error && thrown.name === 'TidemarkError' && 'code' in thrown) {
    const { message, hint, where = file } = thrown as TidemarkError
    return new TidemarkError(thrown.code as Code, message, { where, hint })
  }
  const { text = messageOf(thrown), location } = unreadable(thrown) ?? {}
  const where = location
    ? `${shortest(resolve(location.file))}:${location.line}:${location.column + 1}`
    : whereThrown(thrown, file)
  const missing = /Could not resolve "([^"./][^"]*)"/.exec(text)?.[1]
  const hint = missing && `npm install ${missing}, in the folder of the topology`
  return new TidemarkError('TOPOLOGY_LOAD', text, { where, cause: thrown, hint })
}

function whereThrown(thrown: unknown, file: string): string {
  const stack = thrown instanceof Error ? (thrown.stack ?? '') : ''
  const [, ...behind] = stack.split(`${resolve(file)}:`)
  const line = behind.map((text) => Number.parseInt(text, 10)).find((number) => number > 0)
  return line === undefined ? file : `${file}:${line}`
}

function unreadable(thrown: unknown): Message | null {
  const isOne = thrown instanceof Error && 'errors' in thrown && Array.isArray(thrown.errors)
  return isOne ? ((thrown.errors as Message[])[0] ?? null) : null
}

function shortest(path: string): string {
  const fromHere = relative(process.cwd(), path)
  return fromHere.startsWith('..') ? path : fromHere
}

// A bundle, because with Node's loader hooks for TypeScript every import, even of JavaScript, goes
// through a thread: 0.3 s at start, and 20 MB for as long as the process lives.

/** Folders of this package, built and source. It is not bundled, so that there is no copy. */
const FOLDERS = ['dist', 'src'].map((folder) => fileURLToPath(new URL(`${folder}/`, PACKAGE)))

/** Expressions for a file's own location → the names that replace them in the bundle. */
const PLACE = {
  'import.meta.url': '__tidemarkUrl',
  'import.meta.filename': '__tidemarkFile',
  'import.meta.dirname': '__tidemarkFolder',
  __filename: '__tidemarkFile',
  __dirname: '__tidemarkFolder',
}
const MODULE = 'topology.mjs'
const KNOWS_PLACE = /\bimport\.meta\b|\b__(?:file|dir)name\b/

/**
 * Bundles a file with the author's own files that it imports, and imports the bundle. Node loads
 * installed packages, once per process.
 * @throws BuildFailure: a file cannot be read · whatever the author's code throws, with its own
 * line numbers
 */
export async function importBundle(file: string): Promise<unknown> {
  const { outputFiles } = await build(bundling(file))
  process.setSourceMapsEnabled(true)
  return importText(outputFiles[0]?.contents ?? new Uint8Array())
}

/** The paths of a topology file and of the author's own files that it imports. */
export async function ownFilesOf(file: string): Promise<string[]> {
  const { metafile } = await build({ ...bundling(file), metafile: true })
  return Object.keys(metafile.inputs)
}

function bundling(file: string) {
  return {
    entryPoints: [file],
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'node',
    target: `node${process.versions.node}`,
    // Resolve packages as Node does, not as bundlers do.
    mainFields: ['main'],
    conditions: [],
    define: PLACE,
    banner: { js: requireFrom(file) },
    sourcemap: 'inline',
    sourcesContent: false,
    outfile: `${file}.bundle.mjs`,
    sourceRoot: `${pathToFileURL(dirname(file)).href}/`,
    plugins: [authorsOwn],
    logLevel: 'silent',
  } as const satisfies BuildOptions
}

/** Imports from a temporary file, if possible, because Node reads source maps only of files. */
async function importText(text: Uint8Array): Promise<unknown> {
  let folder: string | null = null
  let file: string | null = null
  try {
    folder = await mkdtemp(join(tmpdir(), 'tidemark-'))
    await writeFile(join(folder, MODULE), text)
    file = pathToFileURL(join(folder, MODULE)).href
  } catch {
    // The module is then imported from its text.
  }
  try {
    const url = file ?? `data:text/javascript;base64,${Buffer.from(text).toString('base64')}`
    return await import(url)
  } finally {
    if (folder !== null) await rm(folder, { recursive: true, force: true })
  }
}

function requireFrom(file: string): string {
  const from = JSON.stringify(pathToFileURL(file).href)
  return `import { createRequire as __tidemarkRequire } from 'node:module'; var require = __tidemarkRequire(${from});`
}

const authorsOwn: Plugin = {
  name: 'authors-own',
  setup(building) {
    const ASKED = {}
    building.onResolve({ filter: /.*/ }, async ({ path, pluginData, ...request }) => {
      if (request.kind === 'entry-point' || pluginData === ASKED) return null
      const target = await building.resolve(path, { ...request, pluginData: ASKED })
      const isKept = target.errors.length > 0 || target.external || !isInstalled(path, target.path)
      return isKept ? target : { path: asImported(target.path, request.kind), external: true }
    })
    building.onLoad({ filter: /\.[cm]?[jt]sx?$/ }, ({ path }) => contentsOf(path))
  },
}

/** A relative import inside an installed package counts as the author's own. */
function isInstalled(wanted: string, path: string): boolean {
  if (FOLDERS.some((folder) => path.startsWith(folder))) return true
  return !wanted.startsWith('.') && path.includes(`${sep}node_modules${sep}`)
}

function asImported(path: string, kind: OnResolveArgs['kind']): string {
  return kind.startsWith('require') ? path : pathToFileURL(path).href
}

async function contentsOf(path: string): Promise<OnLoadResult> {
  const contents = await readFile(path, 'utf8')
  const loader = 'default'
  if (!KNOWS_PLACE.test(contents)) return { contents, loader }
  const place = {
    __tidemarkUrl: pathToFileURL(path).href,
    __tidemarkFile: path,
    __tidemarkFolder: dirname(path),
  }
  // On the first line, so that line numbers do not change.
  const pairs = Object.entries(place).map(([name, value]) => `${name} = ${JSON.stringify(value)}`)
  return { contents: `const ${pairs.join(', ')}; ${contents}`, loader }
}

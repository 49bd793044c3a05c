import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, extname, join, sep } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import {
  build,
  type Loader,
  type OnLoadResult,
  type OnResolveArgs,
  type Plugin,
  stop,
} from 'esbuild'
import { PACKAGE } from './package-root.ts'

// A topology's file and what it imports of the author's own, as one module. Node reads TypeScript
// through a thread that every import asks, be it of JavaScript: that takes 0.3 s of a start, and 20
// MB for as long as the process lives.

/** Of this package, built or not: there must be no copy of it. */
const OWN = ['dist', 'src'].map((folder) => fileURLToPath(new URL(`${folder}/`, PACKAGE)))

const LOADERS: Readonly<Record<string, Loader>> = {
  '.ts': 'ts',
  '.mts': 'ts',
  '.cts': 'ts',
  '.tsx': 'tsx',
  '.js': 'js',
  '.mjs': 'js',
  '.cjs': 'js',
  '.jsx': 'jsx',
}

/** What a file knows of its own place, with the names that stand for it in the bundle. */
const PLACE = {
  'import.meta.url': '__tidemarkUrl',
  'import.meta.filename': '__tidemarkFile',
  'import.meta.dirname': '__tidemarkFolder',
  __filename: '__tidemarkFile',
  __dirname: '__tidemarkFolder',
}
/** The name of its file. */
const MODULE = 'topology.mjs'
const KNOWS_PLACE = /\bimport\.meta\b|\b__(?:file|dir)name\b/

/**
 * Imports a file. TypeScript and JavaScript, as a module or as CommonJS. What is installed (in
 * `node_modules`) is loaded by Node and is one for all; the author's own files are read anew for
 * each file that imports them.
 *
 * @throws BuildFailure when it or an import of it cannot be read · whatever the author's code
 * throws, whose stack names the author's lines
 */
export async function importTopology(file: string): Promise<unknown> {
  const { outputFiles } = await build({
    entryPoints: [file],
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'node',
    target: `node${process.versions.node}`,
    // As Node looks for packages, and not as bundlers do.
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
  })
  process.setSourceMapsEnabled(true)
  return importText(outputFiles[0]?.contents ?? new Uint8Array())
}

/**
 * From a file, since of nothing else does Node read where the author's lines are; where none can be
 * written it goes without.
 */
async function importText(text: Uint8Array): Promise<unknown> {
  const folder = await folderWith(text)
  if (folder === null) {
    return import(`data:text/javascript;base64,${Buffer.from(text).toString('base64')}`)
  }
  try {
    return await import(pathToFileURL(join(folder, MODULE)).href)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/**
 * A new folder that holds the module; `null`: it cannot be written, as on a read-only or a full
 * disk.
 */
async function folderWith(text: Uint8Array): Promise<string | null> {
  let folder: string | null = null
  try {
    folder = await mkdtemp(join(tmpdir(), 'tidemark-'))
    await writeFile(join(folder, MODULE), text)
    return folder
  } catch {
    if (folder !== null) await rm(folder, { recursive: true, force: true })
    return null
  }
}

/** Ends the process that reads TypeScript. */
export function endReading(): Promise<void> {
  return stop()
}

/** What is left of CommonJS asks for packages through it. */
function requireFrom(file: string): string {
  const from = JSON.stringify(pathToFileURL(file).href)
  return `import { createRequire as __tidemarkRequire } from 'node:module'; var require = __tidemarkRequire(${from});`
}

const authorsOwn: Plugin = {
  name: 'authors-own',
  setup(building) {
    const ASKED = {}
    building.onResolve({ filter: /.*/ }, async ({ path, pluginData, ...asked }) => {
      if (asked.kind === 'entry-point' || pluginData === ASKED) return null
      const { importer, namespace, resolveDir, kind } = asked
      const found = await building.resolve(path, {
        importer,
        namespace,
        resolveDir,
        kind,
        pluginData: ASKED,
      })
      const isKept = found.errors.length > 0 || found.external || !isInstalled(path, found.path)
      return isKept ? found : { path: asImported(found.path, kind), external: true }
    })
    building.onLoad({ filter: /\.[cm]?[jt]sx?$/ }, ({ path }) => load(path))
  },
}

/**
 * A relative import of a file that is installed itself, such as a topology of a package, is the
 * author's own.
 */
function isInstalled(wanted: string, path: string): boolean {
  if (OWN.some((folder) => path.startsWith(folder))) return true
  return !wanted.startsWith('.') && path.includes(`${sep}node_modules${sep}`)
}

function asImported(path: string, kind: OnResolveArgs['kind']): string {
  return kind.startsWith('require') ? path : pathToFileURL(path).href
}

async function load(path: string): Promise<OnLoadResult> {
  const contents = await readFile(path, 'utf8')
  const loader = LOADERS[extname(path)] ?? 'ts'
  if (!KNOWS_PLACE.test(contents)) return { contents, loader }
  const place = {
    __tidemarkUrl: pathToFileURL(path).href,
    __tidemarkFile: path,
    __tidemarkFolder: dirname(path),
  }
  // In the first line, so that all others keep their numbers.
  const known = Object.entries(place).map(([name, value]) => `${name} = ${JSON.stringify(value)}`)
  return { contents: `const ${known.join(', ')}; ${contents}`, loader }
}

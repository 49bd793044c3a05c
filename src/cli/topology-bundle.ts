import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, extname, join, sep } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import {
  type BuildOptions,
  build,
  type Loader,
  type OnLoadResult,
  type OnResolveArgs,
  type Plugin,
  stop,
} from 'esbuild'
import { PACKAGE } from './package-root.ts'

// Bundles a topology's file and the author's own files that it imports into one module. With Node's
// loader hooks for TypeScript, every import goes through a thread, even of JavaScript: that costs
// 0.3 s at start, and 20 MB for as long as the process lives.

/** Folders of this package, built and source: it must not be bundled, so that there is no copy. */
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

/** Expressions for a file's own location, each with the name that replaces it in the bundle. */
const PLACE = {
  'import.meta.url': '__tidemarkUrl',
  'import.meta.filename': '__tidemarkFile',
  'import.meta.dirname': '__tidemarkFolder',
  __filename: '__tidemarkFile',
  __dirname: '__tidemarkFolder',
}
/** The file name of the bundle. */
const MODULE = 'topology.mjs'
const KNOWS_PLACE = /\bimport\.meta\b|\b__(?:file|dir)name\b/

/**
 * Imports a topology file: TypeScript or JavaScript, as an ES module or CommonJS. Node loads
 * installed packages (in `node_modules`), once per process. The author's own files are bundled
 * again for each file.
 *
 * @throws BuildFailure: the file or one of its imports cannot be read · whatever the author's code
 * throws; its stack has the author's line numbers
 */
export async function importTopology(file: string): Promise<unknown> {
  const { outputFiles } = await build(bundling(file))
  process.setSourceMapsEnabled(true)
  return importText(outputFiles[0]?.contents ?? new Uint8Array())
}

/**
 * The paths of a topology file and of the author's own files that it imports, relative to the
 * working directory. @throws BuildFailure as {@link importTopology}
 */
export async function ownFilesOf(file: string): Promise<string[]> {
  const { metafile } = await build({ ...bundling(file), metafile: true })
  return Object.keys(metafile.inputs)
}

function bundling(file: string) {
  return {
    entryPoints: [file],
    bundle: true,
    write: false as const,
    format: 'esm' as const,
    platform: 'node' as const,
    target: `node${process.versions.node}`,
    // Resolve packages as Node does, not as bundlers do.
    mainFields: ['main'],
    conditions: [],
    define: PLACE,
    banner: { js: requireFrom(file) },
    sourcemap: 'inline' as const,
    sourcesContent: false,
    outfile: `${file}.bundle.mjs`,
    sourceRoot: `${pathToFileURL(dirname(file)).href}/`,
    plugins: [authorsOwn],
    logLevel: 'silent' as const,
  } satisfies BuildOptions
}

/**
 * Imports a module from a temporary file, since Node reads source maps only of files. If no file
 * can be written, imports it without source maps.
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
 * Creates a temporary folder with the module; `null`: it cannot be written, as on a read-only or
 * full disk.
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

/** Stops esbuild's process. */
export function endReading(): Promise<void> {
  return stop()
}

/** Defines the `require` by which CommonJS code in the bundle loads packages. */
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
 * Whether an import is of an installed package. A relative import inside an installed package, such
 * as of a topology in a package, counts as the author's own.
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
  // On the first line, so that line numbers do not change.
  const known = Object.entries(place).map(([name, value]) => `${name} = ${JSON.stringify(value)}`)
  return { contents: `const ${known.join(', ')}; ${contents}`, loader }
}

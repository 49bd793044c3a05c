// Keeps `dist` up to date with `src` in a checkout, where install scripts are off and `npm ci`
// builds nothing.
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'

/** The modules that Node imports by name; the rest is in chunks, which are faster to read. */
const ENTRIES = [
  'index',
  'cli/main',
  'jobs/batch/worker-thread-entry',
  'cli/worker-main',
  'scoring/scorer-thread',
  'scoring/tree-comparer',
  'testing/index',
  'testing/vitest',
]
/** The folder of chunks: as deep as those of `src`, so that relative paths to files outside stay valid. */
const CHUNKS = 'chunks'
/** How long a chunk of an earlier build is kept, ms: a running process may still import it. */
const CHUNK_KEPT_MS = 86_400_000

/** A build that takes less than this prints nothing, ms. */
const SILENT_MS = 500

const CHECKOUT = fileURLToPath(new URL('../../', import.meta.url))

/** Runs `src/trees/edition.ts` where it is, and puts its value into the bundle. */
const editionOfTrees = {
  name: 'edition-of-trees',
  setup({ esbuild, onLoad }) {
    onLoad({ filter: /[\\/]trees[\\/]edition\.ts$/ }, async ({ path }) => {
      const define = { 'import.meta.url': JSON.stringify(pathToFileURL(path).href) }
      const source = readFileSync(path, 'utf8')
      const { code } = await esbuild.transform(source, { loader: 'ts', define })
      const { EDITION } = await import(`data:text/javascript,${encodeURIComponent(code)}`)
      return { contents: `export const EDITION = '${EDITION}'` }
    })
  },
}

/**
 * Compiles `src` of a checkout into `dist`, unless it is up to date. Starts at the same time do not
 * conflict: each builds in its own folder and renames file by file.
 *
 * @param {string} root the folder with `src`, @default this checkout
 */
export function buildWhenStale(root = CHECKOUT) {
  return makeWhenStale(root, { stamp: '.sources', make: compile, owns: (f) => !isDeclaration(f) })
}

/**
 * The same for type declarations, which only a project that depends on this checkout needs.
 *
 * @param {string} root the folder with `src`, @default this checkout
 */
export function declareWhenStale(root = CHECKOUT) {
  return makeWhenStale(root, { stamp: '.types', make: declare, owns: isDeclaration })
}

// `npm run build`: builds everything from scratch, as published.
if (process.argv[1] === fileURLToPath(import.meta.url)) {
  rmSync(join(CHECKOUT, 'dist'), { recursive: true, force: true })
  await buildWhenStale()
  await declareWhenStale()
}

function isDeclaration(file) {
  return file.endsWith('.d.ts')
}

async function makeWhenStale(root, { stamp: name, make, owns }) {
  const dist = join(root, 'dist')
  const stamp = join(dist, name)
  const sources = fingerprint(join(root, 'src'))
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === sources) return

  const startedMs = performance.now()
  const aside = join(dist, `.build${name}-${process.pid}`)
  const saysSo = setTimeout(() => process.stderr.write('building …'), SILENT_MS)
  try {
    await make(join(root, 'src'), aside)
    moveInto(aside, dist, owns)
    writeFileSync(`${stamp}-${process.pid}`, sources)
    renameSync(`${stamp}-${process.pid}`, stamp)
  } catch (error) {
    process.stderr.write(`\n${error.stdout || error.message}\n`)
    process.exit(1)
  } finally {
    clearTimeout(saysSo)
    rmSync(aside, { recursive: true, force: true })
  }
  const tookMs = performance.now() - startedMs
  if (tookMs > SILENT_MS) process.stderr.write(` (${(tookMs / 1_000).toFixed(1)} s)\n`)
}

/** Strips types without checking them, to keep starts fast. */
async function compile(src, outDir) {
  const { build } = await import('esbuild')
  await build({
    entryPoints: ENTRIES.map((name) => join(src, `${name}.ts`)).filter((file) => existsSync(file)),
    bundle: true,
    splitting: true,
    packages: 'external',
    outdir: outDir,
    outbase: src,
    chunkNames: `${CHUNKS}/[hash]`,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    logLevel: 'silent',
    plugins: [editionOfTrees],
  })
}

async function declare(src, outDir) {
  const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc')
  const args = ['-p', src, '--emitDeclarationOnly', '--declaration', '--outDir', outDir]
  await promisify(execFile)(process.execPath, [tsc, ...args])
}

function fingerprint(src) {
  const hash = createHash('sha256')
  for (const file of filesIn(src)) {
    const { mtimeMs, size } = statSync(join(src, file))
    hash.update(`${file} ${mtimeMs} ${size}\n`)
  }
  return hash.digest('hex')
}

/**
 * Moves all files of `from` into `to`, and removes those of this kind that `from` does not have,
 * except chunks of the last day. Chunks are moved first, so that an entry module finds its own.
 */
function moveInto(from, to, owns) {
  const isChunk = (file) => dirname(file) === CHUNKS
  const files = filesIn(from).sort((a, b) => isChunk(b) - isChunk(a))
  for (const file of files) {
    mkdirSync(dirname(join(to, file)), { recursive: true })
    renameSync(join(from, file), join(to, file))
  }
  // Skips the build folders of other starts, which may disappear meanwhile.
  const entries = readdirSync(to, { withFileTypes: true }).filter((e) => !e.name.startsWith('.'))
  const there = entries.flatMap((entry) =>
    entry.isFile()
      ? [entry.name]
      : filesIn(join(to, entry.name)).map((file) => join(entry.name, file)),
  )
  const isNew = (file) => Date.now() - statSync(join(to, file)).mtimeMs < CHUNK_KEPT_MS
  const gone = there.filter((file) => owns(file) && !files.includes(file))
  for (const file of gone) {
    if (!isChunk(file) || !isNew(file)) rmSync(join(to, file), { force: true })
  }
}

function filesIn(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort()
}

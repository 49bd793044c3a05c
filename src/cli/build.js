// Keeps `dist` in step with `src` in a checkout, where install scripts are off and nothing is built
// after `npm ci`.
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
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

/**
 * What Node is asked for by name, below `src`. All else is in chunks that these share: a start
 * reads few files, and not some 300.
 */
const ENTRIES = [
  'index',
  'cli/main',
  'cli/workers/worker-main',
  'scoring/scorer-thread',
  'scoring/tree-comparer',
  'testing/index',
  'testing/vitest',
]
/** As deep as the folders of `src`, so that what lies outside of `dist` is found from there too. */
const CHUNKS = 'chunks'
/** For so long a chunk of an earlier build stays: who started with it may still ask for it. */
const CHUNK_KEPT_MS = 86_400_000

/** A build that takes less is not worth a line. */
const SILENT_MS = 500

const CHECKOUT = fileURLToPath(new URL('../../', import.meta.url))

/**
 * Compiles `src` of a checkout into `dist` unless `dist` was made from the same files. Starts at
 * the same time do not disturb each other: each builds aside, then renames file by file, so that a
 * reader finds an old or a new file and never a part of one. Declarations of types are left as they
 * are.
 *
 * @param {string} root the folder with `src`, @default this checkout
 */
export function buildWhenStale(root = CHECKOUT) {
  return makeWhenStale(root, { stamp: '.sources', make: compile, owns: (f) => !isDeclaration(f) })
}

/**
 * The same for the declarations of types, which whoever imports this checkout as a package is
 * checked by. They take seconds, so that only what needs them makes them.
 *
 * @param {string} root the folder with `src`, @default this checkout
 */
export function declareWhenStale(root = CHECKOUT) {
  return makeWhenStale(root, { stamp: '.types', make: declare, owns: isDeclaration })
}

/** `npm run build`: all of it anew, as it is published. */
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

/** Types are stripped, not checked: a start should take a moment. */
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
  })
}

async function declare(src, outDir) {
  const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc')
  const args = ['-p', src, '--emitDeclarationOnly', '--declaration', '--outDir', outDir]
  await promisify(execFile)(process.execPath, [tsc, ...args])
}

/** Changes when a source file is edited, added or taken away. */
function fingerprint(src) {
  const hash = createHash('sha256')
  for (const file of filesIn(src)) {
    const { mtimeMs, size } = statSync(join(src, file))
    hash.update(`${file} ${mtimeMs} ${size}\n`)
  }
  return hash.digest('hex')
}

/**
 * Leaves nothing in `to` that this kind of build owns and `from` has not, but for files whose name
 * begins with a dot, and chunks of the last day. Chunks come first: whoever finds an entry finds
 * them.
 */
function moveInto(from, to, owns) {
  const isChunk = (file) => dirname(file) === CHUNKS
  const files = filesIn(from).sort((a, b) => isChunk(b) - isChunk(a))
  for (const file of files) {
    mkdirSync(dirname(join(to, file)), { recursive: true })
    renameSync(join(from, file), join(to, file))
  }
  // Nobody looks into what another start builds aside: it goes away meanwhile.
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

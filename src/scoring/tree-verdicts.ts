import { createHash } from 'node:crypto'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { cpus, devNull, homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { EDITION } from '../trees/edition.ts'
import type { Compared } from './compare-apart.ts'
import type { ModelBytes } from './model-bytes.ts'
import { onnxRuntimeVersion } from './onnx-session.ts'
import type { TreeReading } from './tree-reading.ts'

// Verdicts of comparisons between trees and ONNX Runtime, kept in the user's cache folder. Where it cannot be written, each start compares.

/** The file of a verdict. Its name says all that the verdict holds for. */
export function verdictFile({ sha256 }: Pick<ModelBytes, 'sha256'>, reading: TreeReading): URL {
  const { input, outputs, features } = reading
  const holdsFor = {
    model: sha256,
    reading: { input, outputs, features: features.length },
    trees: EDITION,
    onnxRuntime: onnxRuntimeVersion(),
    machine: [process.platform, process.arch, cpus()[0]?.model, cLibrary()],
  }
  const name = createHash('sha256').update(JSON.stringify(holdsFor)).digest('hex')
  return pathToFileURL(join(cacheFolder(), 'tidemark', 'trees', `${name}.json`))
}

/** `null`: there is none, or none that can be read. */
export async function readVerdict(file: URL): Promise<Compared | null> {
  try {
    const { differs } = JSON.parse(await readFile(file, 'utf8')) as Partial<Compared>
    return differs === null || typeof differs === 'string' ? { differs } : null
  } catch {
    return null
  }
}

/** Whole or not at all: another start may be reading. */
export async function keepVerdict(file: URL, verdict: Compared): Promise<void> {
  const aside = new URL(`${file.href}-${process.pid}`)
  try {
    await mkdir(new URL('.', file), { recursive: true })
    await writeFile(aside, JSON.stringify(verdict))
    await rename(aside, file)
  } catch {
    // A read-only place: the next start compares again.
  }
}

/** Of a user who has no home it is a place where nothing can be kept. */
function cacheFolder(): string {
  try {
    const folder = process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache')
    return isAbsolute(folder) ? folder : devNull
  } catch {
    return devNull
  }
}

/** It gives exp its last bits. glibc tells its version; of others the platform is all that is known. */
function cLibrary(): string {
  const { header } = process.report.getReport() as { header?: { glibcVersionRuntime?: string } }
  return header?.glibcVersionRuntime ?? 'another'
}

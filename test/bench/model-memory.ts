import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { suggestOutputs } from '../../src/scoring/model-file.ts'
import { OnnxSession } from '../../src/scoring/onnx-session.ts'
import { type Runner, readingOf } from '../../src/scoring/runner.ts'
import { type TreeReading, TreeRunner } from '../../src/scoring/tree-runner.ts'
import { LARGEST_BATCH } from '../../src/scoring/warm-up.ts'
import { cardModel } from '../scoring/support.ts'

// Measures by how much the resident memory of a process grows that loads a model and runs its
// largest batch, after another model has been loaded and run, without garbage: each model in
// processes of its own, by ONNX Runtime and by its trees, the most of several. One JSON line a model
// on stdout, in bytes. npx tsx test/bench/model-memory.ts

const FOLDERS = ['topologies/models', 'test/fixtures/models', 'test/trees/models']
/** A run of this model may not return. */
const LEFT_OUT = 'hangs.onnx'
const PROCESSES = 5

/** A model that another process is to load. */
interface Question {
  readonly file: string
  readonly reading: TreeReading
  readonly isTrees: boolean
}

async function warmedUp(isTrees: boolean): Promise<void> {
  const { file, input, features, outputs } = cardModel('card-gbdt')
  const runner = await opened(readFileSync(file), { input, features, outputs }, isTrees)
  await runner.run(new Float32Array(LARGEST_BATCH * features.length), LARGEST_BATCH)
}

async function opened(bytes: Uint8Array, reading: TreeReading, isTrees: boolean): Promise<Runner> {
  if (!isTrees) return OnnxSession.load(bytes, readingOf(reading))
  const trees = TreeRunner.read(bytes, reading)
  if (typeof trees === 'string') throw new Error(trees)
  return trees
}

/** Without garbage, most of which parsing leaves behind. */
function residentBytes(): number {
  globalThis.gc?.()
  return process.memoryUsage.rss()
}

/** Bytes; `null`: the model cannot be loaded or run so. */
async function grownBy({ file, reading, isTrees }: Question): Promise<number | null> {
  await warmedUp(isTrees)
  const bytes = readFileSync(file)
  const rows = new Float32Array(LARGEST_BATCH * reading.features.length)
  const before = residentBytes()
  try {
    const runner = await opened(bytes, reading, isTrees)
    await runner.run(rows, LARGEST_BATCH)
    const grown = residentBytes() - before
    await runner.close()
    return grown
  } catch {
    return null
  }
}

async function answer(question: Question): Promise<void> {
  process.send?.(await grownBy(question))
  process.disconnect()
}

async function mostOf(question: Question): Promise<number | null> {
  let most: number | null = null
  for (let i = 0; i < PROCESSES; i++) {
    const execArgv = [...process.execArgv, '--expose-gc']
    const child: ChildProcess = fork(new URL(import.meta.url), { execArgv })
    child.send(question)
    const [bytes] = (await once(child, 'message')) as [number | null]
    if (bytes === null) return null
    most = Math.max(most ?? 0, bytes)
  }
  return most
}

/** How a model is fed and read; `null`: ONNX Runtime refuses it, or it takes no rows of features. */
async function treeReadingOf(file: string): Promise<TreeReading | null> {
  try {
    const bytes = readFileSync(file)
    const { signature } = await OnnxSession.load(bytes, { input: '', outputs: {} })
    const { inputs, outputs } = signature
    const [input] = inputs
    const width = input?.shape[1]
    if (input?.type !== 'float32' || typeof width !== 'number') return null
    const features = Array.from({ length: width }, (_, i) => `f${i}`)
    return { input: input.name, features, outputs: suggestOutputs(outputs, null) }
  } catch {
    return null
  }
}

async function measureAll(): Promise<void> {
  const files = FOLDERS.flatMap((folder) => {
    const names = readdirSync(folder).filter((name) => name.endsWith('.onnx') && name !== LEFT_OUT)
    return names.map((name) => `${folder}/${name}`)
  })
  for (const file of files) {
    const reading = await treeReadingOf(file)
    if (reading === null) continue
    const session = await mostOf({ file, reading, isTrees: false })
    const trees = await mostOf({ file, reading, isTrees: true })
    const bytes = readFileSync(file).length
    process.stdout.write(`${JSON.stringify({ model: basename(file), bytes, session, trees })}\n`)
  }
}

if (process.send === undefined) await measureAll()
else process.once('message', (question: Question) => void answer(question))

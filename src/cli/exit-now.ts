import { spawn } from 'node:child_process'
import { closeSync } from 'node:fs'
import { createRequire } from 'node:module'
import { threadsInRun } from '../scoring/thread-runner.ts'

/** The part of WebAssembly used here. Node's types lack it. */
interface WebAssembly {
  readonly Module: new (bytes: Uint8Array) => object
  readonly Instance: new (module: object, imports: object) => object
}

const { WebAssembly: wasm } = globalThis as unknown as { readonly WebAssembly: WebAssembly }

/** How long the process may take to be torn down, ms. */
const END_WITHIN_MS = 10_000

/** Exits at once, as `process.exit` does, also while a model hangs. */
export function exitNow(code: number): never {
  if (threadsInRun() === 0) return process.exit(code)
  process.emit('exit', code)
  exitOfC(code)
}

/**
 * Calls `exit` of the C library. `process.exit`, a natural end and a fatal error of Node all wait
 * for the runs of threads, for ever when a model hangs; so does everything else that JavaScript can
 * call, but for a signal, which has no exit code. Node's WASI passes `proc_exit` of a WebAssembly
 * module straight on.
 */
function exitOfC(code: number): never {
  // Required, not imported: Node would have time to print that WASI is experimental.
  const { WASI } = createRequire(import.meta.url)('node:wasi') as typeof import('node:wasi')
  const wasi = new WASI({ version: 'preview1', returnOnExit: false })
  const module = new wasm.Module(exitModule(code))
  const instance = new wasm.Instance(module, wasi.getImportObject())
  // Other threads still run while the process is torn down, and crash when what they use is gone.
  // With a listener such a thread repeats what failed, until the process has ended.
  process.on('SIGSEGV', () => {})
  killUnlessEnded(END_WITHIN_MS)
  // ONNX Runtime complains there when it is torn down.
  closeSync(2)
  wasi.start(instance)
  throw new Error('the process did not exit')
}

/**
 * Kills this process if it is still there after a time. Another process does so, since this one may
 * never come back to JavaScript. That one ends when this one does, which closes its stdin.
 */
export function killUnlessEnded(withinMs: number): void {
  const script = `
    const kill = () => process.ppid === ${process.pid} && process.kill(${process.pid}, 'SIGKILL')
    setTimeout(kill, ${withinMs})
    process.stdin.resume().once('end', () => process.exit())`
  spawn(process.execPath, ['-e', script], { stdio: ['pipe', 'ignore', 'ignore'] })
}

/**
 * A WebAssembly module whose `_start` calls `proc_exit` of WASI: `(memory (export "memory") 0)` and
 * `(func (export "_start") (call $proc_exit (i32.const code)))`.
 *
 * @param code from 0 to 255
 */
function exitModule(code: number): Uint8Array<ArrayBuffer> {
  const section = (id: number, ...content: number[]) => [id, content.length, ...content]
  const text = (of: string) => [of.length, ...Buffer.from(of)]
  // Signed LEB128 in two bytes.
  const number = [(code & 0x7f) | 0x80, code >> 7]
  const types = [2, 0x60, 1, 0x7f, 0, 0x60, 0, 0]
  const procExit = [...text('wasi_snapshot_preview1'), ...text('proc_exit'), 0, 0]
  const call = [0, 0x41, ...number, 0x10, 0, 0x0b]
  return Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, ...types),
    ...section(2, 1, ...procExit),
    ...section(3, 1, 1),
    ...section(5, 1, 0, 0),
    ...section(7, 2, ...text('memory'), 2, 0, ...text('_start'), 0, 1),
    ...section(10, 1, call.length, ...call),
  ])
}

import type { Ensemble } from './ensemble.ts'
import { PlainTrees, ROWS, type Sums } from './plain-trees.ts'
import { SUMS } from './sums-wasm.ts'
import { tablesOf } from './tables.ts'

const PAGE_BYTES = 65_536

/** The part of WebAssembly used here. Node's types lack it, and it may be switched off. */
interface WebAssembly {
  readonly Memory: new (pages: { initial: number; maximum: number }) => { buffer: ArrayBuffer }
  readonly Module: new (bytes: Uint8Array) => object
  readonly Instance: new (module: object, imports: object) => { exports: Compiled }
}

interface Compiled {
  readonly sums: (count: number) => void
}

const { WebAssembly: wasm } = globalThis as unknown as { readonly WebAssembly?: WebAssembly }
let module: object | null = null

/** The fastest available way to evaluate the trees. @throws NotRead as {@link tablesOf} does */
export function sumsOf(ensemble: Ensemble, features: number): Sums {
  return wasm === undefined ? new PlainTrees(ensemble) : new BitVectors(ensemble, features, wasm)
}

/** Evaluates trees with assembly/sums.ts, in its own memory. */
class BitVectors implements Sums {
  readonly #compiled: Compiled
  readonly #rows: Float32Array
  readonly #given: Float32Array

  constructor(ensemble: Ensemble, features: number, { Memory, Module, Instance }: WebAssembly) {
    const { bytes, rowsAt, givenAt, end } = tablesOf(ensemble, { features, rows: ROWS })
    // The memory never grows: once any memory of a process grows, all its typed arrays become a
    // little slower.
    const pages = Math.ceil(end / PAGE_BYTES)
    const memory = new Memory({ initial: pages, maximum: pages })
    new Uint8Array(memory.buffer).set(bytes)
    this.#rows = new Float32Array(memory.buffer, rowsAt, ROWS * features)
    this.#given = new Float32Array(memory.buffer, givenAt, ROWS * ensemble.targets)
    module ??= new Module(Buffer.from(SUMS, 'base64'))
    this.#compiled = new Instance(module, { env: { memory } }).exports
  }

  of(rows: Float32Array, count: number): Float32Array {
    this.#rows.set(rows)
    this.#compiled.sums(count)
    return this.#given
  }
}

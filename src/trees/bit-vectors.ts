import type { Ensemble } from './ensemble.ts'
import { PlainTrees, ROWS, type Sums } from './plain-trees.ts'
import { SUMS } from './sums-wasm.ts'
import { tablesOf } from './tables.ts'

const PAGE_BYTES = 65_536

/** What is used of it: Node's types do not say that it is there, and it may be switched off. */
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

/** The quickest way that there is here to sum over trees. @throws NotRead as {@link tablesOf} */
export function sumsOf(ensemble: Ensemble, features: number): Sums {
  return wasm === undefined ? new PlainTrees(ensemble) : new BitVectors(ensemble, features, wasm)
}

/** See assembly/sums.ts. Has memory of its own. */
class BitVectors implements Sums {
  readonly #compiled: Compiled
  readonly #rows: Float32Array
  readonly #given: Float32Array

  constructor(ensemble: Ensemble, features: number, { Memory, Module, Instance }: WebAssembly) {
    const { bytes, rowsAt, givenAt, end } = tablesOf(ensemble, { features, rows: ROWS })
    // Never grown: the first memory of a process that grows makes all its typed arrays a little
    // slower.
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

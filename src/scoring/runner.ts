import type { ModelDefinition } from '../topology/models.ts'
import type { OnnxModel } from '../trees/onnx-file.ts'

export type Signature = Pick<OnnxModel, 'inputs' | 'outputs'>

/** A batch takes `baseMs + rowMs · rows`. */
export interface Cost {
  readonly baseMs: number
  readonly rowMs: number
}

export function costMs({ baseMs, rowMs }: Cost, rows: number): number {
  return baseMs + rowMs * rows
}

/** The cost in CPU time, and in wall-clock time, which a busy machine increases. */
export interface MeasuredCost {
  readonly cpu: Cost
  readonly elapsed: Cost
}

export interface Runner {
  /**
   * `rows`: row-major float32[count, features], at least one. Returns `count` numbers for each of
   * the model's `scoreColumns`. The last call must have settled. @throws Error: the whole batch has
   * failed
   */
  run(rows: Float32Array, count: number): Promise<Float64Array[]>
  /** No run may be in flight. */
  close(): Promise<void>
}

/** Where ONNX Runtime computes a model. */
export interface Placement {
  /** Its execution provider, such as `cpu`. */
  readonly provider: string
  /** Why not those that were to be tried before. */
  readonly notes: readonly string[]
}

export const ON_CPU: Placement = { provider: 'cpu', notes: [] }

/** A model on this thread or another one. */
export interface OpenedModel extends Runner {
  readonly signature: Signature
  /** @default {@link ON_CPU} */
  readonly placement?: Placement
  /**
   * Measures where it runs. @param sample row-major float32[LARGEST_BATCH, features]
   * @default here
   */
  measure?(sample: Float32Array): Promise<MeasuredCost>
}

/** How to run a model; plain data, sent to threads. */
export interface ModelReading extends Pick<ModelDefinition, 'outputs'> {
  /** The tensor that takes a whole row; or tensors, each with the columns of a row that it takes. */
  readonly input: string | Readonly<Record<string, readonly number[]>>
  /** Execution providers of ONNX Runtime, each tried in turn. @default `cpu` */
  readonly providers?: readonly string[]
}

export function readingOf({
  input,
  outputs,
  features,
}: Pick<ModelDefinition, 'input' | 'outputs' | 'features'>): ModelReading {
  if (typeof input === 'string') return { input, outputs }
  const columns = Object.entries(input).map(([tensor, names]) => {
    return [tensor, names.map((name) => features.indexOf(name))] as const
  })
  return { input: Object.fromEntries(columns), outputs }
}

const DECIMAL_PLACES = 15
/** 10^k; exact as float64 up to 10^22. */
const POWERS_OF_TEN = Array.from({ length: DECIMAL_PLACES + 1 }, (_, k) => 10 ** k)
/** A smaller float32 has fewer than six decimal digits. */
const SMALLEST_NORMAL = 2 ** -126
const SMALLEST = 1e-7
const LARGEST = 1e6
/** A scaled value is off by at most 1e-7: only one farther from an integer can round wrongly. */
const CLEAR_OF_HALF = 0.4999

/**
 * The decimal with the fewest digits (at most 9) that rounds back to the float32 `x`: 0.1 for
 * 0.10000000149011612. An integer of at most 9 digits over 10^k is exact on both sides, so the
 * quotient is the float64 of that text (Clinger, "How to read floating point numbers accurately",
 * 1990). A float32 always preserves six decimal digits.
 */
export function shortestFloat32(x: number): number {
  const size = Math.abs(x)
  if (!(size >= SMALLEST && size < LARGEST)) return byText(x)
  const decimals = sixDigits(size)
  for (let k = decimals; k <= decimals + 3; k++) {
    const power = POWERS_OF_TEN[k] as number
    const scaled = size * power
    const digits = Math.round(scaled)
    if (Math.abs(scaled - digits) > CLEAR_OF_HALF) return byText(x)
    const decimal = digits / power
    if (Math.fround(decimal) === size) return x < 0 ? -decimal : decimal
  }
  return x
}

function sixDigits(size: number): number {
  let decimals = 5
  if (size < 1) {
    while (size * (POWERS_OF_TEN[decimals - 5] as number) < 1) decimals++
    return decimals
  }
  while (size >= (POWERS_OF_TEN[6 - decimals] as number)) decimals--
  return decimals
}

function byText(x: number): number {
  if (!Number.isFinite(x) || x === 0) return x
  for (let digits = Math.abs(x) < SMALLEST_NORMAL ? 1 : 6; digits < 9; digits++) {
    const decimal = Number(x.toPrecision(digits))
    if (Math.fround(decimal) === x) return decimal
  }
  return Number(x.toPrecision(9))
}

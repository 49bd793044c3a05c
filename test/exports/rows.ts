import { readdirSync, readFileSync } from 'node:fs'

/** A model as its exporter writes it by default, with rows and its library's own answers. */
export interface ExportRows {
  readonly features: readonly string[]
  /** `null`: a missing number. */
  readonly rows: readonly (readonly (number | null)[])[]
  readonly expected: readonly (readonly number[])[]
  /** Names of the classes; `null`: it is not a classifier. */
  readonly classes: readonly (string | number)[] | null
  /** The output with the probabilities, or the predictions. */
  readonly scoreOutput: string
  /** Rows for which ONNX Runtime in Python differs from the library too. */
  readonly differs: number
}

/** Names without `.onnx`. */
export function exportNames(folder: URL): string[] {
  const files = readdirSync(folder).filter((file) => file.endsWith('.onnx'))
  return files.map((file) => file.slice(0, -'.onnx'.length)).sort()
}

export function exportRows(name: string, folder: URL): ExportRows {
  return JSON.parse(readFileSync(new URL(`${name}.rows.json`, folder), 'utf8')) as ExportRows
}

const IS_SMOOTH = /^(logistic|pipeline|linear|mlp)/

/** How far a score may be off: a fraction of 1, or of its own size above that. */
export function toleranceOf(name: string): number {
  return IS_SMOOTH.test(name) ? 1e-5 : 1e-6
}

export function isNear(score: number, expected: number, tolerance: number): boolean {
  return Math.abs(score - expected) <= tolerance * Math.max(1, Math.abs(expected))
}

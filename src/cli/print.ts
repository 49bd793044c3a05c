import pc from 'picocolors'
import { faultsOf, messageOf, TidemarkError } from '../kernel/errors.ts'

// Text for people. It goes to stderr; stdout is only for data.

/** Functions that colour text, from picocolors. */
export type Colors = ReturnType<typeof pc.createColors>

/** Colours for stderr. */
export const colors: Colors = colorsFor(process.stderr)

/** Colours for a stream: only on a terminal, and never with `NO_COLOR`. */
export function colorsFor(stream: { readonly isTTY?: boolean }): Colors {
  // `isTTY` is undefined on a pipe. picocolors would then decide itself, and colour text whenever
  // CI is set.
  return pc.createColors(stream.isTTY === true && (process.env['NO_COLOR'] ?? '') === '')
}

let stderr: { write(text: string): unknown } = process.stderr

/** Writes a line to stderr. */
export function say(line: string): void {
  stderr.write(`${line}\n`)
}

/** Moves the terminal's cursor to the start of its line and clears the line. */
export const EMPTY_LINE = '\r\x1b[K'

/**
 * Writes a line to stderr. On a terminal it replaces the text on the current line, such as a
 * progress bar or the `^C` of ctrl-c.
 */
export function sayOnOwnLine(line: string): void {
  say(process.stderr.isTTY ? `${EMPTY_LINE}${line}` : line)
}

/** Redirects lines from now on, to a worker's own stream, which never blocks on its reader. */
export function sayTo(stream: { write(text: string): unknown }): void {
  stderr = stream
}

/** Prints notes: what users should know although it is not an error. */
export function sayNotes(notes: readonly string[]): void {
  for (const note of notes) say(noteOf(note))
}

/** A note as a line: `! …` */
export function noteOf(text: string): string {
  return `${colors.yellow('!')} ${text}`
}

/** `1,234,567`. By hand, because loading the data of Intl takes 10 ms of each start. */
export function count(n: number): string {
  const [whole = '', fraction] = String(Math.round(n * 1_000) / 1_000).split('.')
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ',')
  return fraction === undefined ? grouped : `${grouped}.${fraction}`
}

/** `1 topology`, `2 topologies` */
export function plural(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`
}

/** How failures are printed. */
export interface FailureFormat {
  readonly colors: Colors
  /** Adds the stack of an error that has no code. */
  readonly stack: boolean
}

/** All faults of what was thrown, for people: code and message, place, hint. */
export function describeFailure(thrown: unknown, format: FailureFormat): string {
  return faultsOf(thrown)
    .map((fault) => describeFault(fault, format))
    .join('\n')
}

function describeFault(fault: unknown, { colors: c, stack }: FailureFormat): string {
  const known = fault instanceof TidemarkError ? fault : null
  const system = systemCodeOf(fault)
  const code = known?.code ?? system ?? 'INVARIANT'
  const lines = [`${c.red('✗')} ${c.bold(code)}  ${messageOf(fault)}`]
  if (known?.where !== undefined) lines.push(`  ${c.dim(known.where)}`)
  const hint = known === null && system === null ? BUG : known?.hint
  if (hint !== undefined) lines.push(`  hint: ${hint}`)
  const trace = known === null ? fault : known.cause
  if (stack && trace instanceof Error) lines.push(c.dim(trace.stack ?? ''))
  return lines.join('\n')
}

const BUG = 'this is a bug; TIDEMARK_LOG_LEVEL=debug shows where'

/** The code of an error of the operating system, such as `ENOENT`; `null`: it is not one. */
function systemCodeOf(fault: unknown): string | null {
  const isSystems = fault instanceof Error && 'syscall' in fault && 'code' in fault
  return isSystems && typeof fault.code === 'string' ? fault.code : null
}

/** Exit codes. */
export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  /** The configuration, a topology or a model is wrong. */
  refused: 3,
  /** A broker, a topic, a registry, a schema in it or a right is missing. */
  unreachable: 4,
  interrupted: 130,
} as const

const OUTSIDE = new Set([
  'BROKER_UNAVAILABLE',
  'AUTHENTICATION',
  'AUTHORIZATION',
  'TOPIC_MISSING',
  'TOPIC_LIMITS',
  'REGISTRY_UNAVAILABLE',
  'SCHEMA_NOT_REGISTERED',
])

/** The exit code for what was thrown. */
export function exitCodeOf(thrown: unknown): number {
  const faults = faultsOf(thrown)
  const known = faults.filter((fault) => fault instanceof TidemarkError)
  if (known.length < faults.length) return EXIT.failed
  if (known.every((fault) => OUTSIDE.has(fault.code))) return EXIT.unreachable
  return known.some((fault) => fault.action === 'refuse') ? EXIT.refused : EXIT.failed
}

import pc from 'picocolors'
import { faultsOf, messageOf, TidemarkError } from '../kernel/errors.ts'

// Text for people. It goes to stderr; stdout carries data only.

/** How text is coloured; picocolors' own shape. */
export type Colors = ReturnType<typeof pc.createColors>

/** Colours for stderr. */
export const colors: Colors = colorsFor(process.stderr)

/** Colours for a stream: only on a terminal, and never under `NO_COLOR`. */
export function colorsFor(stream: { readonly isTTY?: boolean }): Colors {
  // `isTTY` is undefined on a pipe, and picocolors would then decide by itself: in colour wherever
  // CI is set.
  return pc.createColors(stream.isTTY === true && (process.env['NO_COLOR'] ?? '') === '')
}

let stderr: { write(text: string): unknown } = process.stderr

/** Writes a line to stderr. */
export function say(line: string): void {
  stderr.write(`${line}\n`)
}

/** Takes a terminal's cursor back to the start of its line, and empties that. */
export const EMPTY_LINE = '\r\x1b[K'

/**
 * Writes a line to stderr; what a terminal shows there already, such as a bar or the `^C` of
 * ctrl-c, gives way.
 */
export function sayOnOwnLine(line: string): void {
  say(process.stderr.isTTY ? `${EMPTY_LINE}${line}` : line)
}

/** From now on lines go there: a worker's own, which waits for no reader. */
export function sayTo(stream: { write(text: string): unknown }): void {
  stderr = stream
}

/** Says what the reader should know, though it stops nothing. */
export function sayNotes(notes: readonly string[]): void {
  for (const note of notes) say(noteOf(note))
}

/** `! …` */
export function noteOf(text: string): string {
  return `${colors.yellow('!')} ${text}`
}

/** `1,234,567` */
export function count(n: number): string {
  return n.toLocaleString('en-US')
}

/** `1 topology`, `2 topologies` */
export function plural(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`
}

export interface FailureFormat {
  readonly colors: Colors
  /** Adds the stack of an error that has no code. */
  readonly stack: boolean
}

/** Every fault of what was thrown, for people: code and message, place, hint. */
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

/** `ENOENT` and the like: the operating system has refused something, such as a path. */
function systemCodeOf(fault: unknown): string | null {
  const isSystems = fault instanceof Error && 'syscall' in fault && 'code' in fault
  return isSystems && typeof fault.code === 'string' ? fault.code : null
}

/** What the process ends with. */
export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  /** The configuration, a topology or a model is wrong. */
  refused: 3,
  /** What is needed from outside is not there. */
  unreachable: 4,
  interrupted: 130,
} as const

const OUTSIDE = new Set([
  'BROKER_UNAVAILABLE',
  'AUTHENTICATION',
  'AUTHORIZATION',
  'TOPIC_MISSING',
  'TOPIC_LIMITS',
])

export function exitCodeOf(thrown: unknown): number {
  const faults = faultsOf(thrown)
  const known = faults.filter((fault) => fault instanceof TidemarkError)
  if (known.length < faults.length) return EXIT.failed
  if (known.every((fault) => OUTSIDE.has(fault.code))) return EXIT.unreachable
  return known.some((fault) => fault.action === 'refuse') ? EXIT.refused : EXIT.failed
}

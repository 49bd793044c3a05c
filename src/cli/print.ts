import pc from 'picocolors'
import { codeOf, faultsOf, isSystemError, messageOf, TidemarkError } from '../kernel/errors.ts'
import { escapeControls } from '../kernel/wording.ts'

// Output of a command: data to stdout, text for people to stderr.

export type Colors = ReturnType<typeof pc.createColors>

export const colors: Colors = colorsFor(process.stderr)

/** Colours for a stream: only on a terminal, and never with `NO_COLOR`. */
export function colorsFor(stream: { readonly isTTY?: boolean }): Colors {
  // `isTTY` is undefined on a pipe. picocolors would then decide itself, and colour text whenever
  // CI is set.
  return pc.createColors(stream.isTTY === true && (process.env['NO_COLOR'] ?? '') === '')
}

const reader = new AbortController()
/** Aborts once stdout is closed, as by `head`, or cannot be written. */
export const readerGone: AbortSignal = reader.signal
let isData = false

/**
 * Watches stdout. Without this, a closed pipe would end the process with a stack trace.
 * @param failed called if data cannot be written, such as to a full disk
 */
export function watchStdout(failed: (error: Error) => void): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    // If only a topology's own prints are lost, the command continues.
    if (isData && error.code !== 'EPIPE') failed(error)
    reader.abort()
  })
}

/** Resolves once stdout has taken it, or takes nothing any more. */
export async function write(data: string | Buffer): Promise<void> {
  isData = true
  if (readerGone.aborted) return
  await new Promise<void>((resolve) => {
    process.stdout.write(data, () => resolve())
  })
}

let stderr: { write(text: string): unknown } = process.stderr

export function say(line: string): void {
  stderr.write(`${line}\n`)
}

export const EMPTY_LINE = '\r\x1b[K'

/** Writes a line to stderr, on a terminal in place of a status or of the `^C` of ctrl-c. */
export function sayOnOwnLine(line: string): void {
  say(process.stderr.isTTY ? `${EMPTY_LINE}${line}` : line)
}

export function sayTo(stream: { write(text: string): unknown }): void {
  stderr = stream
}

export function sayNotes(notes: readonly string[]): void {
  for (const note of notes) say(noteLine(escapeControls(note)))
}

export function noteLine(text: string): string {
  return `${colors.yellow('!')} ${text}`
}

let tellWarning = ({ name, message }: Error) => say(noteLine(`${name}: ${message}`))

/** Prints warnings as notes; Node would print them unformatted, between our own lines. */
export function watchWarnings(): void {
  if (process.listenerCount('warning') === 0) return
  process.removeAllListeners('warning')
  process.on('warning', (warning) => tellWarning(warning))
}

export function warnThrough(tell: (warning: Error) => void): void {
  tellWarning = tell
}

/** Width of the longest bar of a plot, characters. */
export const BAR_WIDTH = 24
const PARTS_OF_BLOCK = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉']

/** Writes a result as text, or as JSON of several lines, in which no text controls a terminal. */
export function writeResult(isJson: boolean | undefined, plain: object, text: string) {
  if (isJson !== true) return write(text)
  return write(printable(JSON.stringify(plain, null, 2).split('\n')))
}

/** A text of lines in which nothing that others have sent controls a terminal. */
export function printable(lines: readonly string[]): string {
  return `${lines.map(escapeControls).join('\n')}\n`
}

export function bar(share: number): string {
  const eighths = Math.round(share * BAR_WIDTH * 8)
  return '█'.repeat(Math.floor(eighths / 8)) + (PARTS_OF_BLOCK[eighths % 8] ?? '')
}

/** @param stack whether stacks are told too */
export function describeFailure(thrown: unknown, stack: boolean, c = colors): string {
  return faultsOf(thrown)
    .map((fault) => describeFault(fault, stack, c))
    .join('\n')
}

function describeFault(fault: unknown, stack: boolean, c: Colors): string {
  const error = fault instanceof TidemarkError ? fault : null
  const lines = [`${c.red('✗')} ${c.bold(codeOf(fault))}  ${messageOf(fault)}`]
  if (error?.where !== undefined) lines.push(`  ${c.dim(error.where)}`)
  const hint = error === null && !isSystemError(fault) ? BUG : error?.hint
  if (hint !== undefined) lines.push(`  hint: ${hint}`)
  const trace = error === null ? fault : error.cause
  if (stack && trace instanceof Error) lines.push(c.dim(trace.stack ?? ''))
  return lines.join('\n')
}

const BUG = 'this is a bug; TIDEMARK_LOG_LEVEL=debug shows where'

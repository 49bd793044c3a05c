import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { vi } from 'vitest'
import { runCommand } from '../../src/cli/main.ts'
import { sayTo } from '../../src/cli/print.ts'
import { folderWith } from './folder.ts'

/** How a command line has ended, and what it has written. */
export interface Ended {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/**
 * Runs `tidemark ARGS` to its end in this process, which takes a tenth of what a new one takes. One
 * at a time: they all write to the stdout of this process.
 *
 * @param stdin what it finds there
 */
export async function tidemark(
  args: readonly string[],
  { stdin = '' }: { readonly stdin?: string | Buffer } = {},
): Promise<Ended> {
  const input = vi.spyOn(process, 'stdin', 'get')
  input.mockReturnValue(Readable.from([Buffer.from(stdin)]) as unknown as typeof process.stdin)
  const [stdout, stderr, log] = [written(process.stdout), written(process.stderr), logged()]
  try {
    const code = await runCommand(args)
    return { code, stdout: stdout.text(), stderr: stderr.text() + log.text() }
  } finally {
    for (const { restore } of [stdout, stderr, log]) restore()
    input.mockRestore()
  }
}

/** Keeps what is written to the file of stderr past its stream, as by what has a log. */
function logged() {
  const stream = process.stderr as { fd: number }
  const { fd } = stream
  const path = join(folderWith({}), 'log')
  stream.fd = openSync(path, 'a')
  const restore = () => {
    closeSync(stream.fd)
    stream.fd = fd
    sayTo(process.stderr)
  }
  return { text: () => readFileSync(path, 'utf8'), restore }
}

/** Keeps what is written to a stream instead of writing it. */
function written(stream: NodeJS.WriteStream) {
  const parts: Buffer[] = []
  const write = vi.spyOn(stream, 'write').mockImplementation((part, ...[given]: unknown[]) => {
    parts.push(Buffer.from(part))
    if (typeof given === 'function') given()
    return true
  })
  return { text: () => Buffer.concat(parts).toString(), restore: () => write.mockRestore() }
}

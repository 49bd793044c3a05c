import { execFile } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { ROOT } from '../support/paths.ts'
import { fetchBy } from './fetch-by.ts'

// Docker for the tests: the daemon that answers, or one of their own (image.sh).

export interface Docker {
  /** The variables by which Docker's commands find it. */
  readonly env: Readonly<Record<string, string>>
  /** Runs `docker ARGS`. */
  readonly run: (args: readonly string[], stdin?: Buffer) => Promise<Said>
  /** Runs it too. Returns what it prints. */
  readonly ask: (...args: string[]) => Promise<string>
  /** Runs `image.sh ARGS`. Returns what it prints. */
  readonly script: (args: readonly string[], env?: NodeJS.ProcessEnv) => Promise<string>
  readonly stop: () => Promise<void>
}

interface Said {
  readonly stdout: Buffer
  readonly stderr: Buffer
}

const SCRIPT = join(import.meta.dirname, 'image.sh')
/** The most that a command may print, bytes. */
const MOST_BYTES = 64 * 2 ** 20

/** @throws Error where none answers, and none can be started */
export function startDocker(): Docker {
  const dir = mkdtempSync(join(tmpdir(), 'tidemark-docker-'))
  const host = fetchBy('image.sh', 'start', dir, String(process.pid))
  const env = { ...(host !== '' && { DOCKER_HOST: host }) }
  const printed = async (running: Promise<Said>) => (await running).stdout.toString().trim()
  const runFile = (file: string, args: readonly string[], more: NodeJS.ProcessEnv = {}) =>
    promisify(execFile)(file, args, {
      ...{ env: { ...process.env, ...env, ...more }, encoding: 'buffer', maxBuffer: MOST_BYTES },
    })
  return {
    env,
    run: (args, stdin = Buffer.alloc(0)) => {
      const running = runFile('docker', args)
      running.child.stdin?.end(stdin)
      return running
    },
    ask: (...args) => printed(runFile('docker', args)),
    script: (args, more) => printed(runFile(SCRIPT, args, more)),
    stop: async () => {
      await runFile(SCRIPT, ['stop', dir])
    },
  }
}

/** Makes the image of this checkout. Returns its name, and that of its base. */
export async function tidemarkImage(docker: Docker): Promise<{ image: string; base: string }> {
  const image = 'tidemark-test/tidemark'
  const base = await docker.script(['base'])
  await docker.script(['build', base, '-f', join(ROOT, 'deploy/Dockerfile'), '-t', image, ROOT])
  return { image, base }
}

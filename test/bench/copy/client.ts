import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { argumentsOf, type CopyTask, type Pass } from './pass.ts'

// Clients, each in a process of its own.

export const CLIENTS = ['ours', 'kafkajs', 'java'] as const

export type Client = (typeof CLIENTS)[number]

/** Whatever it does by then, it hangs. */
const LIMIT_MS = 300_000

/** Lets a client copy. @throws Error when it does not say what each pass took */
export async function runClient(client: Client, task: CopyTask): Promise<Pass[]> {
  const [command, ...args] = commandOf(client)
  const child = spawn(command, [...args, ...argumentsOf(task)], {
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: LIMIT_MS,
    killSignal: 'SIGKILL',
  })
  const ended = once(child, 'close')
  const passes: Pass[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    passes.push(JSON.parse(line) as Pass)
  }
  const [code, signal] = await ended
  if (code !== 0 || passes.length !== task.outputs.length) {
    throw new Error(`${client} ended (${code ?? signal}) after ${passes.length} passes`)
  }
  return passes
}

function commandOf(client: Client): [command: string, ...args: string[]] {
  if (client !== 'java') {
    // As this process was started, so that it reads TypeScript as well.
    return [process.execPath, ...process.execArgv, path(`clients/${client}.ts`)]
  }
  const jars = execFileSync(path('../../services/broker.sh'), ['jars'], { encoding: 'utf8' }).trim()
  return [
    'java',
    '-Dorg.slf4j.simpleLogger.defaultLogLevel=error',
    '-cp',
    `${jars}/*`,
    path('clients/Copy.java'),
  ]
}

function path(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url))
}

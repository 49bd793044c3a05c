import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { argumentsOf, type CopyTask, type Pass } from './pass.ts'

// Runs the clients, each in a separate process.

/** All clients, by name. */
export const CLIENTS = ['ours', 'kafkajs', 'java'] as const

/** The name of a client. */
export type Client = (typeof CLIENTS)[number]

/** A client that takes longer than this is killed. */
const LIMIT_MS = 300_000

/** Runs a client. @throws Error when it fails or does not report every pass */
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
    // With the flags of this process, so that it can run TypeScript.
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

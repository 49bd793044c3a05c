import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'
import { freshName, type KafkaService } from '../services/kafka.ts'

const WORKER = fileURLToPath(new URL('./held-up.mjs', import.meta.url))

export interface HeldUpOptions {
  readonly kafka: KafkaService
  /** Passes events on, or counts them by key and minute. */
  readonly work: 'echo' | 'minutes'
  readonly guarantee: 'exactly-once' | 'at-least-once'
  readonly topics: { readonly events: string; readonly sums: string; readonly dlq: string }
  /** Where the one partition of the events ends. */
  readonly end: number
  /** Flags of Node. */
  readonly flags?: readonly string[]
}

export interface HeldUp {
  /** How long the event loop was held at most, beyond what the scheduler took. */
  readonly heldMs: number
  /** Resident, 2^20 bytes. */
  readonly peakMb: number
}

/** Runs a worker in a process of its own until all is committed. */
export async function heldUp(o: HeldUpOptions): Promise<HeldUp> {
  const { events, sums, dlq } = o.topics
  const [broker = ''] = o.kafka.brokers
  const args = [o.work, o.guarantee, broker, freshName('held'), events, sums, dlq, String(o.end)]
  const flags = [...(o.flags ?? []), '--import', 'tsx', '--conditions=tidemark-source']
  const child = spawn(process.execPath, [...flags, WORKER, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  const [said] = await Promise.all([text(child.stdout), once(child, 'exit')])
  return JSON.parse(said) as HeldUp
}

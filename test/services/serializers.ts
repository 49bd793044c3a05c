import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { delimiter, join } from 'node:path'
import { inject } from 'vitest'
import type { KafkaService } from './kafka.ts'
import type { RegistryService } from './registry.ts'

// Events written by the serializers of other languages (serializers/): Java's are Apicurio's, in
// Confluent's format; Python's are Confluent's.

export type Language = 'java' | 'python'

declare module 'vitest' {
  interface ProvidedContext {
    /**
     * Where the jars and the interpreter are; `null` where they are not to be had, or none of the
     * tests uses them.
     */
    serializers: Readonly<Record<Language, string | null>>
  }
}

/** An event to be written. */
export interface NewEvent {
  readonly topic: string
  readonly partition: number
  readonly key: string
  readonly timestampMs: number
  /** A file of `serializers/schemas`: Avro, Protobuf or JSON Schema by its extension. */
  readonly schema: string
  /** Full name of its type. */
  readonly type: string
  /** Its fields, as in JSON. */
  readonly event: unknown
}

/** Writes events in their order. */
type Write = (events: readonly NewEvent[]) => Promise<void>

const FOLDER = join(import.meta.dirname, 'serializers')
const SCHEMAS = join(FOLDER, 'schemas')
/** Shortens the start, which is most of the time. */
const JVM = ['-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1']
const fetched = inject('serializers')

/** The serializers of a language; `null`: they are missing. */
export function writerIn(
  language: Language,
  kafka: KafkaService,
  registry: RegistryService,
): Write | null {
  const tool = fetched[language]
  if (tool === null) return null
  const brokers = kafka.brokers.join(',')
  if (language === 'python') {
    const program = join(FOLDER, 'produce.py')
    return (events) => produce(tool, [program, brokers, registry.url, SCHEMAS], events)
  }
  const classes = ['-cp', [join(tool, '*'), SCHEMAS].join(delimiter)]
  const program = join(FOLDER, 'Produce.java')
  const args = [...JVM, ...classes, program, brokers, registry.apicurioUrl, SCHEMAS]
  return (events) => produce('java', args, events)
}

/** @throws Error with what the program says, when it fails */
async function produce(
  command: string,
  args: readonly string[],
  events: readonly NewEvent[],
): Promise<void> {
  const child = spawn(command, args, { stdio: ['pipe', 'ignore', 'pipe'] })
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  // The program itself says why it left input unread.
  child.stdin.on('error', () => {})
  child.stdin.end(events.map((event) => `${JSON.stringify(event)}\n`).join(''))
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`${command} ended with ${code}:\n${said}`)
}

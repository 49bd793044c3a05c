import type { TidemarkError } from '../kernel/errors.ts'
import type { Setting } from '../kernel/setting.ts'
import type { StoreSource } from '../lookup/store-source.ts'
import type { SinkStep, StoreDefinition } from '../topology/definition.ts'
import type { RecordSink, TopicPartition } from './port.ts'

// A system outside, as everything else knows it: its line in `table.ts`.

/** A connector of a system with options `O`. */
export interface Connector<O extends object = object> {
  /** The name of the system, for people. */
  readonly label: string
  /** Its settings, by their names. */
  readonly settings: Readonly<Record<string, Setting<unknown>>>
  /** How to say where the system is, for a topology that needs it. */
  readonly hint: string
  /** Its options by values of its settings; `null`: they do not say where it is. */
  optionsOf(values: Readonly<Record<string, unknown>>): O | null
  /** How TLS is turned on; `null`: it is on, or the options do not say where the system is. */
  plainHint(options: O | null): string | null
  /** Every fault of options, each a `CONFIG_INVALID` whose `where` is the option. */
  faults(options: O): TidemarkError[]
  /** The faults of a sink of a topology. @default it takes no sinks */
  sinkFaults?(sink: SinkStep): string[]
  /** Opens the system without connecting to it. Its client is loaded only now. */
  open(options: O): Promise<System>
}

/** An open system, with the ports that it offers. */
export interface System {
  /** Its name, and where it is, for people. */
  readonly label: string
  readonly address: string
  /**
   * Connects. While nothing answers it goes on trying, and calls of its ports fail.
   * @param report called with a reason when it fails, once for each kind, and with `null` when it is
   * well again
   * @throws TidemarkError `AUTHENTICATION` · `CONFIG_INVALID`
   */
  connect(report: (reason: string | null) => unknown): Promise<void>
  /** The rows of a store. @default it has no stores */
  rows?(store: StoreDefinition): StoreSource
  /** Takes the values of sinks, named by their topic. @default it takes none */
  sink?(steps: readonly SinkStep[]): RecordSink
  close(): Promise<void>
}

/** The header of an output for a system that has its version. */
export const VERSION_HEADER = 'version'
const TIME_DIGITS = 16
const PARTITION_DIGITS = 10

/** Orders the values of a key, as text: by event time, then topic, partition and offset. */
export function sinkVersion(
  timeMs: number,
  { topic, partition, offset }: TopicPartition & { readonly offset: number },
): string {
  const digits = (n: number, count: number) => String(Math.max(0, n)).padStart(count, '0')
  // No topic has a character before "-".
  const place = `${topic} ${digits(partition, PARTITION_DIGITS)} ${digits(offset, TIME_DIGITS)}`
  return `${digits(timeMs, TIME_DIGITS)} ${place}`
}

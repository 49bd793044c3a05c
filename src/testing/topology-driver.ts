import { MemoryRecords } from '../connect/memory/memory-records.ts'
import type { Guarantee, LogRecord } from '../connect/port.ts'
import { configFault } from '../kernel/errors.ts'
import type { DurationMs } from '../kernel/time.ts'
import { DEFAULT_CONFIG } from '../runtime/config.ts'
import type { Outcomes } from '../runtime/events.ts'
import { addOutcomes, NO_OUTCOMES } from '../runtime/output/outcomes.ts'
import type { Prepared } from '../runtime/prepared.ts'
import { prepare } from '../runtime/start/prepare.ts'
import { allTopics, withSinksInTopics } from '../topology/graph.ts'
import type { CloudEvent } from '../topology/source.ts'
import type { Topology } from '../topology/stream.ts'
import { DrivenStore } from './driven-store.ts'
import { Life, type ModelFunction, numbersTo, withModelFunctions } from './driven-worker.ts'
import {
  type DeadLetter,
  deadLetterOf,
  type Input,
  InputRecords,
  type Output,
  outputOf,
  type ReadRecord,
} from './records.ts'
import { VirtualClock } from './virtual-clock.ts'

const START_MS = Date.UTC(2026, 0, 1)

type OneOrMore<T> = T | readonly T[]
/** An event of a source as upstream writes it: before the schema. That of a CloudEvent is not typed. */
type EventOf<In> = In extends CloudEvent<unknown> ? object : In extends object ? In : object

/** How a {@link TopologyDriver} runs. */
export interface DriverOptions {
  /** Partitions of every topic. @default 1 */
  readonly partitions?: number
  /**
   * Replacements of models, by model name: another ONNX file, or a function.
   * @default the topology's own models
   */
  readonly models?: Readonly<Record<string, string | ModelFunction>>
  /**
   * Score step → the name of the variant that scores, for steps with `variants`.
   * @default the most accurate one, however slow it is
   */
  readonly variants?: Readonly<Record<string, string>>
  /**
   * Records of the topics of tables, by table name, which are there when the worker starts. Such a
   * table has no other rows.
   * @default none
   */
  readonly tables?: Readonly<Record<string, OneOrMore<Input>>>
  /**
   * Rows of online stores, by name and key, as the schema takes them. One in a system outside has
   * no other rows; one of the author's functions that is not given here is asked itself.
   * @default none
   */
  readonly stores?: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  /** Memory for the tables, bytes. @default a quarter of Node's heap */
  readonly maxTableBytes?: number
  /** Switches the future guard off. @default the topology's own */
  readonly maxAhead?: 'none'
  /**
   * Under `exactly-once` a crash in the middle of a commit leaves nothing of it, under
   * `at-least-once` its outputs.
   * @default 'exactly-once'
   */
  readonly guarantee?: Guarantee
  /** Initial time of the driver's clock, ms since the epoch. @default 2026-01-01T00:00:00Z */
  readonly startMs?: number
}

/**
 * Runs a topology in this process: the production runtime over records in memory, with the real
 * model and a clock that moves only when told to. The same test always gives the same result.
 *
 *     const driver = await TopologyDriver.start(cardFraud)
 *     await driver.pipe(payment)
 *     driver.outputs('predictions')[0]?.value.probability
 *     await driver.stop()
 */
export class TopologyDriver<Out, In = unknown> {
  readonly #topology: Topology<Out, In>
  readonly #options: DriverOptions
  readonly #partitions: number
  readonly #inputs: InputRecords
  readonly #records = new MemoryRecords()
  readonly #taken = new WeakSet<LogRecord>()
  readonly #stores: ReadonlyMap<string, DrivenStore>
  #clock: VirtualClock
  #prepared: Prepared | null = null
  #life: Life | null = null
  #outcomes = NO_OUTCOMES
  /** By partition. */
  readonly #watermarksMs = new Map<number, number>()

  private constructor(topology: Topology<Out, In>, options: DriverOptions) {
    this.#topology = topology
    this.#options = options
    this.#partitions = options.partitions ?? 1
    this.#inputs = new InputRecords(topology)
    this.#clock = new VirtualClock(options.startMs ?? START_MS)
    const { stores = {} } = options
    const driven = topology.stores.filter(({ name, from }) => 'connector' in from || name in stores)
    const clock = () => this.#clock
    this.#stores = new Map(
      driven.map((store) => [store.name, new DrivenStore(store, stores[store.name] ?? {}, clock)]),
    )
    for (const topic of allTopics(withSinksInTopics(topology))) {
      this.#records.createTopic(topic, { partitions: this.#partitions })
    }
    for (const [table, inputs] of Object.entries(options.tables ?? {})) {
      this.#produceRows(table, inputs)
    }
  }

  /**
   * Prepares the topology and starts a worker.
   * @throws Refused with every fault of the topology and its models
   */
  static async start<Out, In>(
    topology: Topology<Out, In>,
    options: DriverOptions = {},
  ): Promise<TopologyDriver<Out, In>> {
    const driver = new TopologyDriver(topology, options)
    await driver.restart()
    return driver
  }

  /**
   * Sends events, each with the key that the topology finds in it, and waits until everything that
   * results from them is committed.
   * @returns the position of each in the source
   * @throws the error that ended the worker, such as one in a function given for a model
   */
  pipe(events: OneOrMore<EventOf<In>>): Promise<{ partition: number; offset: number }[]> {
    return this.pipeRecords(listOf(events).map((value) => ({ value })))
  }

  /**
   * The same for raw records as upstream produces them: with their own key, timestamp and headers,
   * or with a value that is not an event.
   */
  async pipeRecords(inputs: OneOrMore<Input>): Promise<{ partition: number; offset: number }[]> {
    const nowMs = this.#clock.nowMs()
    const records = listOf(inputs).map((input) => this.#inputs.ofSource(input, nowMs))
    const places = this.#records.produce(records)
    await this.#life?.settled()
    return places.map(({ partition, offset }) => ({ partition, offset }))
  }

  /**
   * Writes records to the topic of a table, and waits until they are applied: events that are sent
   * after that see them. A record whose value is `null` is a tombstone.
   * @throws TidemarkError `CONFIG_INVALID`: no such table, or its rows are in a file ·
   * `KEY_INVALID`: no key is given, and the table has no `key`
   */
  async update(table: string, inputs: OneOrMore<Input>): Promise<void> {
    this.#produceRows(table, inputs)
    await this.#life?.settled()
  }

  /**
   * An online store, whose rows and answers the test decides.
   * @throws TidemarkError `CONFIG_INVALID`: no such store, or one that is asked itself
   */
  store(name: string): DrivenStore {
    const store = this.#stores.get(name)
    if (store === undefined) throw configFault(`no store "${name}" has its rows from the test`)
    return store
  }

  /**
   * Lets time pass without a record: windows of idle partitions close where the topology has
   * `idleAfter`.
   */
  async advance(duration: DurationMs): Promise<void> {
    if (this.#life === null) this.#clock.step(this.#clock.nowMs() + duration)
    else await this.#life.advance(duration)
  }

  /** Ends the input: every open tumbling window closes. Later events are late. */
  async closeWindows(): Promise<void> {
    await this.#life?.closeWindows()
  }

  /** Everything written to a topic so far, partition by partition, in offset order. */
  outputs<K extends keyof Out & string>(topic: K): Output<Out[K]>[] {
    return this.#read(topic).map(outputOf<Out[K]>)
  }

  /** Outputs written to a topic since the last `take` from it. */
  take<K extends keyof Out & string>(topic: K): Output<Out[K]>[] {
    return this.#takeFrom(topic).map(outputOf<Out[K]>)
  }

  /** All dead letters so far, partition by partition, in offset order. */
  deadLetters(): DeadLetter[] {
    return this.#read(this.#topology.deadLetterTopic).map(deadLetterOf)
  }

  /** Dead letters since the last `takeDeadLetters`. */
  takeDeadLetters(): DeadLetter[] {
    return this.#takeFrom(this.#topology.deadLetterTopic).map(deadLetterOf)
  }

  /** Outcomes of all records so far, each record counted once. */
  get outcomes(): Outcomes {
    return this.#outcomes
  }

  /** The watermark of a partition, ms since the epoch; −Infinity before its first event. */
  watermarkMs(partition = 0): number {
    return this.#watermarksMs.get(partition) ?? Number.NEGATIVE_INFINITY
  }

  /**
   * Kills the worker as `kill -9` does: its windows are gone, its commits stay. With
   * `during` it dies while it works on these events, in the middle of their commit, and they are
   * read again: under exactly-once that attempt leaves no trace; under at-least-once its outputs
   * are already written. Events sent before {@link restart} wait in the source.
   */
  async crash({ during = [] }: { readonly during?: OneOrMore<EventOf<In>> } = {}): Promise<void> {
    const life = this.#life
    if (life === null) return
    life.withholdCommits()
    await this.pipe(during)
    this.#records.crash()
    this.#life = null
    // The old clock must not be moved any more: code of the worker that sleeps on it never wakes.
    this.#clock = new VirtualClock(this.#clock.nowMs())
  }

  /**
   * Starts the worker again after {@link crash} or {@link stop}, on the same topics; a running one
   * is stopped first.
   */
  async restart(): Promise<void> {
    await this.#stopWorker()
    this.#prepared ??= await this.#prepare()
    this.#life = new Life({
      prepared: this.#prepared,
      records: this.#records,
      clock: this.#clock,
      guarantee: this.#options.guarantee ?? 'exactly-once',
      onProcessed: ({ outcomes, partition, watermarkMs }) => {
        this.#outcomes = addOutcomes(this.#outcomes, outcomes)
        this.#watermarksMs.set(partition.partition, watermarkMs)
      },
    })
    await this.#life.settled()
  }

  /**
   * Finishes and commits the records in work, stops the worker like SIGTERM, and frees the models.
   */
  async stop(): Promise<void> {
    try {
      await this.#stopWorker()
    } finally {
      const prepared = this.#prepared
      this.#prepared = null
      await prepared?.close()
    }
  }

  #produceRows(table: string, inputs: OneOrMore<Input>): void {
    const nowMs = this.#clock.nowMs()
    const records = listOf(inputs).map((input) => this.#inputs.ofTable(table, input, nowMs))
    this.#records.produce(records)
  }

  async #stopWorker(): Promise<void> {
    const life = this.#life
    this.#life = null
    await life?.stop()
  }

  async #prepare(): Promise<Prepared> {
    const { models = {}, variants = {}, maxAhead, maxTableBytes } = this.#options
    const chosen = Object.entries(models)
    const files = chosen.filter((c): c is [string, string] => typeof c[1] === 'string')
    const functions = chosen.filter((c): c is [string, ModelFunction] => typeof c[1] !== 'string')
    const config = {
      ...{ ...DEFAULT_CONFIG, models: Object.fromEntries(files), variants },
      ...(maxAhead && { maxAhead }),
      ...(maxTableBytes && { maxTableBytes }),
    }
    const prepared = await prepare([this.#topology], config, {
      values: 'json',
      systems: 'later',
      sourceOf: ({ name }) => this.#stores.get(name)?.source ?? null,
      // A test must not depend on how busy the machine is.
      latencyBudget: 'none',
    })
    const topologies = prepared.topologies.map((t) => withModelFunctions(t, new Map(functions)))
    return { ...prepared, topologies }
  }

  #read(topic: string): ReadRecord[] {
    return numbersTo(this.#partitions).flatMap((partition) =>
      this.#records.read(topic, partition).map((record) => ({ partition, record })),
    )
  }

  #takeFrom(topic: string): ReadRecord[] {
    const fresh = this.#read(topic).filter(({ record }) => !this.#taken.has(record))
    for (const { record } of fresh) this.#taken.add(record)
    return fresh
  }
}

function listOf<T>(values: OneOrMore<T>): readonly T[] {
  return Array.isArray(values) ? (values as readonly T[]) : [values as T]
}

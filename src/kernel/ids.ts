// Names that outlive a process.

/** One string per partition, for map keys and for people: `payments-3`. */
export function partitionName(place: Pick<OutputPlace, 'topic' | 'partition'>): string {
  return `${place.topic}-${place.partition}`
}

/** The position of a record in the log, for people: `payments-3@1041`. */
export function position(topic: string, partition: number, offset: number): string {
  return `${topic}-${partition}@${offset}`
}

interface OutputPlace {
  readonly topic: string
  readonly partition: number
  readonly sink: string
}

/** The id of an output, unique per output: consumers deduplicate by it (rule C11). */
export function outputId(source: OutputPlace & { readonly offset: number }): string {
  const [before, after] = aroundOffset(source)
  return `${before}${source.offset}${after}`
}

export function aroundOffset({ topic, partition, sink }: OutputPlace): [string, string] {
  return [`${topic}/${partition}/`, `/${sink}`]
}

/** The id of a closed window's result; the same whichever event closed the window. */
export function windowId(source: OutputPlace & { readonly key: string; readonly startMs: number }) {
  return `${source.topic}/${source.partition}/${source.sink}/${source.key}/${source.startMs}`
}

const OUTPUT_ID = /^([^/]+)\/(\d+)\/(?:(\d+)\/([^/]+)|([^/]+)\/(.*\/-?\d+))$/s

/** The cause of an output: a record, or a closed window. */
export interface OutputCause extends OutputPlace {
  /** The offset of the record, or key and start of the window. */
  readonly of: number | string
}

/** `null`: it is not the id of an output. */
export function parseOutputId(id: string): OutputCause | null {
  const [, topic, partition, offset, sink, windowSink, window] = OUTPUT_ID.exec(id) ?? []
  if (topic === undefined) return null
  const place = { topic, partition: Number(partition), sink: (sink ?? windowSink) as string }
  return { ...place, of: window ?? Number(offset) }
}

/**
 * The part of an output's id that is the same at every sink: the position of the record, or topic,
 * partition, key and start of a closed window. `null`: it is not the id of an output.
 */
export function causeOf(id: string): string | null {
  const cause = parseOutputId(id)
  if (cause === null) return null
  const { topic, partition, of: origin } = cause
  return `${topic}/${partition}/${typeof origin === 'number' ? origin : `/${origin}`}`
}

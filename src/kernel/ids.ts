// Names that outlive a process.

/** One string per partition, for maps and for people: `payments-3`. */
export function partitionName(of: { readonly topic: string; readonly partition: number }): string {
  return `${of.topic}-${of.partition}`
}

/** Where a record stands in the log, for people: `payments-3@1041`. */
export function position(topic: string, partition: number, offset: number): string {
  return `${topic}-${partition}@${offset}`
}

interface OutputPlace {
  readonly topic: string
  readonly partition: number
  readonly sink: string
}

/** Unique per output: what a consumer deduplicates by (rule C11). */
export function outputId(source: OutputPlace & { readonly offset: number }): string {
  const [before, after] = aroundOffset(source)
  return `${before}${source.offset}${after}`
}

/** What stands before and behind the offset in an output's id. */
export function aroundOffset({ topic, partition, sink }: OutputPlace): [string, string] {
  return [`${topic}/${partition}/`, `/${sink}`]
}

/** The same for the result of a window that has closed: whichever event closed it. */
export function windowId(source: {
  topic: string
  partition: number
  sink: string
  key: string
  startMs: number
}): string {
  return `${source.topic}/${source.partition}/${source.sink}/${source.key}/${source.startMs}`
}

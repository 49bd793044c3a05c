// A record of the source as functions of the author's see it. Types only: what makes it is in
// formats/record-decoding.ts.

/** A partition of the source. */
export interface SourcePartition {
  /** The topic that is really read: `--topic` may have mapped the topology's name to it. */
  readonly topic: string
  /** Its number, from 0. */
  readonly partition: number
}

/** A header of a record. */
export interface RecordHeader {
  /** Names need not be unique. */
  readonly name: string
  /** Empty if the header has no value. */
  readonly value: Buffer
}

/**
 * The record that an event comes from. Its buffers are valid during the call: copy what must
 * outlive it.
 */
export interface SourceRecord extends SourcePartition {
  /** Its position in the partition. */
  readonly offset: number
  /** The record's own Kafka timestamp, ms since the epoch; −1: it has none. */
  readonly timestampMs: number
  /** A record without a key is a dead letter `NULL_KEY`, and no function sees it. */
  readonly key: Buffer
  /** `null`: it is a tombstone. */
  readonly value: Buffer | null
  /** All headers, in their order. */
  readonly headers: readonly RecordHeader[]
  /**
   * The value of a header as text; of several with this name, the last one's. `undefined`: there is
   * none.
   */
  header(name: string): string | undefined
}

/** A record that is no tombstone. */
export interface RecordWithValue extends SourceRecord {
  /** Its value, which may have no bytes. */
  readonly value: Buffer
}

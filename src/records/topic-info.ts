/** What is known about a topic before anything is consumed. */
export interface TopicInfo {
  readonly name: string
  /**
   * The topic's id, which differs from that of a deleted topic of the same name; `null`: the broker
   * does not report it.
   */
  readonly id: string | null
  readonly partitions: number
  /**
   * Largest record batch that the topic accepts (`max.message.bytes`), bytes; `null`: not reported
   * by the broker.
   */
  readonly maxMessageBytes: number | null
  /**
   * Size of its segments (`segment.bytes`), bytes; a larger batch is refused. `null`: not reported
   * by the broker.
   */
  readonly segmentBytes: number | null
  /**
   * Who sets the timestamps. `CreateTime`: the producer. `LogAppendTime`: the broker. `null`: not
   * reported.
   */
  readonly timestampType: 'CreateTime' | 'LogAppendTime' | null
  /**
   * How far a record's timestamp may be ahead of the broker's clock, ms
   * (`message.timestamp.after.max.ms`); `null`: not reported.
   */
  readonly timestampAfterMaxMs: number | null
  /**
   * How far a record's timestamp may be behind the broker's clock, ms
   * (`message.timestamp.before.max.ms`); `null`: not reported.
   */
  readonly timestampBeforeMaxMs: number | null
  /**
   * Does the broker remove records that are replaced by a later one of the same key
   * (`cleanup.policy`)? `null`: not reported.
   */
  readonly isCompacted: boolean | null
  /**
   * Does the broker remove records for their age, or for the size of the log (`cleanup.policy`)?
   * `null`: not reported.
   */
  readonly isTrimmed: boolean | null
}

/** A topic to be created. */
export interface NewTopic {
  readonly name: string
  readonly partitions: number
  /**
   * Replicas of each partition; −1: as many as the broker sets by default.
   * @default 1
   */
  readonly replicas?: number
  /** Topic settings by Kafka's names, such as `max.message.bytes`. */
  readonly config?: Readonly<Record<string, string>>
}

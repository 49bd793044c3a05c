// The package's API: for authors of topologies, and for services that embed a worker.

export type { AccessToken } from './connect/kafka/client/tokens.ts'
export { type Description, describe } from './engine/describe.ts'
export type { RunWorkerOptions } from './host/options.ts'
export { runWorker } from './host/run-worker.ts'
export type { RunningWorker } from './host/running-worker.ts'
export type { BatchResult } from './jobs/batch/batch-files.ts'
export type { RunBatchOptions } from './jobs/batch/batch-options.ts'
export { replay, runBatch } from './jobs/program-jobs.ts'
export type { ReplayOptions, ReplayResult } from './jobs/replay/replay.ts'
export { type Code, Refused, TidemarkError } from './kernel/errors.ts'
export {
  type DurationMs,
  dayOfWeek,
  days,
  hourOfDay,
  hours,
  millis,
  minutes,
  seconds,
} from './kernel/time.ts'
export type { Log } from './observe/log.ts'
export type { RegistryOptions } from './registry/confluent-registry.ts'
export type { Observer, RuntimeEvent } from './runtime/events.ts'
export type { WindowEvent, WindowField } from './topology/aggregate-methods.ts'
export { defineTopology, type TopologyOptions } from './topology/builder.ts'
export type {
  Feature,
  FeatureKit,
  Kind,
  RollingAggregates,
  RollingWindow,
  SkippingColumn,
  Window,
} from './topology/features.ts'
export {
  type FileTableOptions,
  file,
  type Table,
  type TopicTableOptions,
  topic,
} from './topology/lookup.ts'
export type { Model, ModelRule, StatedAccuracy } from './topology/models.ts'
export { onnxModel, rule } from './topology/models.ts'
export type { Drift, Reuse, Reused } from './topology/reuse.ts'
export type {
  LatencyUse,
  ModelVariants,
  Route,
  ScoreOptions,
  SeveralModels,
  Shadow,
} from './topology/score-options.ts'
export {
  avro,
  jsonSchema,
  type ProtobufOptions,
  protobuf,
  type RegisteredFormat,
  type SchemaOptions,
} from './topology/sink-format.ts'
export {
  type CloudEvent,
  cloudEvents,
  type Formatted,
  type RecordHeader,
  type RecordWithValue,
  type RegistryFormatOptions,
  registry,
  type SourceOptions,
  type SourcePartition,
  type SourceRecord,
  text,
} from './topology/source.ts'
export {
  type KeyedRows,
  type OwnRows,
  redis,
  type Store,
  type StoreOptions,
} from './topology/store.ts'
export type {
  Featured,
  FeatureStream,
  FeaturesOf,
  OutputOf,
  Scored,
  Sink,
  SinkOptions,
  Stream,
  Topology,
  TopologyBuilder,
} from './topology/stream.ts'
export { isoTime, unixTime } from './topology/times.ts'

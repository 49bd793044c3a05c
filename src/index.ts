// The package's API: for authors of topologies, and for services that embed a worker.

export { type Description, describe } from './engine/describe.ts'
export type { RunWorkerOptions } from './host/options.ts'
export { runWorker } from './host/run-worker.ts'
export type { RunningWorker } from './host/running-worker.ts'
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
export type { AccessToken } from './records/kafka/login/tokens.ts'
export type { RegistryOptions } from './registry/confluent-registry.ts'
export type { Observer, RuntimeEvent } from './runtime/events.ts'
export type { StatedAccuracy } from './topology/accuracy.ts'
export { defineTopology, type TopologyOptions } from './topology/builder.ts'
export { type CloudEvent, cloudEvents } from './topology/cloud-events.ts'
export type {
  Feature,
  FeatureKit,
  Kind,
  RollingWindow,
  SkippingColumn,
  Window,
} from './topology/features.ts'
export type { LatencyUse } from './topology/latency-budgets.ts'
export {
  type FileTableOptions,
  file,
  type Table,
  type TopicTableOptions,
  topic,
} from './topology/lookup.ts'
export { type Model, onnxModel } from './topology/model.ts'
export { type Rule, rule } from './topology/rule.ts'
export type {
  ModelVariants,
  Route,
  ScoreOptions,
  SeveralModels,
  Shadow,
} from './topology/score-models.ts'
export type { Scored } from './topology/scored.ts'
export {
  avro,
  jsonSchema,
  type ProtobufOptions,
  protobuf,
  type RegisteredFormat,
  type SchemaOptions,
} from './topology/sink-format.ts'
export {
  type Formatted,
  type RegistryFormatOptions,
  registry,
  text,
} from './topology/source-format.ts'
export type {
  RecordHeader,
  RecordWithValue,
  SourcePartition,
  SourceRecord,
} from './topology/source-record.ts'
export type {
  FeatureStream,
  OutputOf,
  Sink,
  SourceOptions,
  Stream,
  Topology,
  TopologyBuilder,
} from './topology/stream.ts'
export type { WindowEvent, WindowField } from './topology/window-results.ts'

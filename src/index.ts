// What a topology author imports.

export { type DurationMs, days, hours, millis, minutes, seconds } from './kernel/time.ts'
export { defineTopology, file, type TopologyOptions } from './topology/builder.ts'
export { type Description, describe } from './topology/describe.ts'
export type { Feature, FeatureKit, Kind, RollingWindow, Window } from './topology/features.ts'
export type { Table } from './topology/lookup.ts'
export { type Model, onnxModel } from './topology/model.ts'
export type {
  FeatureStream,
  OutputOf,
  Scored,
  Sink,
  SourceOptions,
  Stream,
  Topology,
  TopologyBuilder,
  WindowEvent,
  WindowField,
} from './topology/stream.ts'

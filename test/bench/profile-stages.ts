import type { Frame } from './cpu-profile.ts'

// The stages of a worker's main thread, by source file.

/** A stage and its files. */
export interface ProfileStage {
  readonly name: string
  /**
   * Files below `src` without their extension, and packages as `node_modules/…`. A file belongs to
   * the first stage that matches it.
   */
  readonly files: RegExp
}

/**
 * All stages, in the order in which an event passes them. Code shared by several stages, such as
 * varints, checksums and buffers, has no stage: it counts for its caller.
 */
export const PROFILE_STAGES: readonly ProfileStage[] = [
  {
    name: 'fetch, decode records',
    files:
      /^connect\/kafka\/(wire\/fetch|consume\/|group\/positions|codec\/(fetched-records|record-set|compression|lz4|snappy|zlib)$)|^connect\/log-records$/,
  },
  {
    name: 'decode JSON, schema',
    files:
      /^(formats\/(identity|json\/(bound|event-decoder|json-\w+|layout|layout-code|limits|scanner|tokens|trace|walker))$|plan\/|runtime\/partition\/(record-decoder|key-watch)$|node_modules\/(secure-json-parse|zod)\/)/,
  },
  { name: 'windows', files: /^(engine|topology)\// },
  {
    name: 'model',
    files: /^(scoring\/|runtime\/patient-scoring$|node_modules\/onnxruntime-)/,
  },
  {
    name: 'outputs',
    files:
      /^(formats\/json\/|runtime\/(direct-outputs|outputs|score-reader|commit\/output-batch|provenance|finishing|dead-letter|outcomes|topic-limits)$)/,
  },
  {
    name: 'encode records',
    files: /^connect\/(kafka\/codec\/encode|written-records)$/,
  },
  {
    name: 'commit',
    files:
      /^(runtime\/commit\/|connect\/kafka\/(wire\/(produce|groups)$|produce\/|group\/(committing|group-offsets)$))/,
  },
  {
    name: 'wire',
    files:
      /^(connect\/kafka\/(?!codec\/)|node_modules\/kafkajs\/|node:net$|node:internal\/stream_base_commons$)/,
  },
  { name: 'metrics, log', files: /^(observe|serve|host)\/|^node_modules\/(prom-client|pino)\// },
  { name: 'tasks, flow', files: /^runtime\// },
]

/** V8's entries that are not functions, while the thread is busy. */
export const V8_STAGES = ['(garbage collector)', '(program)'] as const

/** V8's entry while the thread is idle. */
export const IDLE = '(idle)'

/** The stage of a function; `null`: none. */
export function stageOf({ functionName, url }: Pick<Frame, 'functionName' | 'url'>): string | null {
  if (url === '') return [...V8_STAGES, IDLE].find((name) => name === functionName) ?? null
  const place = placeOf(url)
  return PROFILE_STAGES.find(({ files }) => files.test(place))?.name ?? null
}

/** `file:///…/src/engine/history.ts` is `engine/history`. */
function placeOf(url: string): string {
  const [, inPackage] = /.*\/(node_modules\/.+)$/.exec(url) ?? []
  if (inPackage !== undefined) return inPackage
  const [, inSource] = /.*\/src\/(.+)\.ts$/.exec(url) ?? []
  return inSource ?? url
}

import type { Config } from './config.ts'

/** The settings for preparing topologies. */
export const PREPARE_SETTINGS = [
  'topic',
  'model',
  'variant',
  'evaluator',
  'cache',
  'maxAhead',
  'maxTableMb',
  'maxModelMb',
] as const
/** The values of these settings. */
export type PrepareConfig = Config<(typeof PREPARE_SETTINGS)[number]>

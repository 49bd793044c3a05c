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

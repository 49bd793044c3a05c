import type { Config } from './config.ts'

/** The settings that decide what is prepared. */
export const PREPARE_SETTINGS = ['topic', 'model', 'evaluator', 'cache', 'maxAhead'] as const
export type PrepareConfig = Config<(typeof PREPARE_SETTINGS)[number]>

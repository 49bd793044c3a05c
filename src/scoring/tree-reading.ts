import type { ModelDefinition } from '../topology/models.ts'

/** What a tree model is fed and what is read from it. */
export type TreeReading = Pick<ModelDefinition, 'input' | 'outputs' | 'features'>

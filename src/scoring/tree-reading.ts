import type { ModelDefinition } from '../topology/definition.ts'

/** What is read of the file of trees, and how. */
export type TreeReading = Pick<ModelDefinition, 'input' | 'outputs' | 'features'>

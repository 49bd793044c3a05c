import type { Stage } from '../kernel/stages.ts'
import type { Observer, RuntimeEvent } from '../runtime/events.ts'

/** That something took so long in a stage. @param topology `null`: all of the worker */
export type StageTook = (stage: Stage, topology: string | null, ms: number) => void

/** Is told how long each chunk, fetch and commit was in a stage. */
export function stageWatch(took: StageTook): Observer {
  return (event: RuntimeEvent) => {
    if (event.type === 'fetched') took('fetch', null, event.durationMs)
    else if (event.type === 'committed') took('commit', null, event.durationMs)
    else if (event.type === 'processed') {
      const { stages, topology } = event
      for (const stage in stages) {
        const ms = stages[stage as keyof typeof stages]
        if (ms !== undefined) took(stage as Stage, topology, ms)
      }
    }
  }
}

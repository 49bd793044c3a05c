import type { Stage } from '../kernel/stages.ts'
import type { Observer, RuntimeEvent } from '../runtime/events.ts'

/** Called with the time that something took in a stage. @param topology `null`: the whole worker */
export type StageTook = (stage: Stage, topology: string | null, ms: number) => void

/** An observer that reports how long each chunk, fetch and commit took in a stage. */
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

import { OpenStore } from '../../lookup/store.ts'
import type { Lookup } from '../../topology/lookup.ts'
import type { WorkerContext } from '../context.ts'
import type { PreparedTopology } from '../prepared.ts'

interface StoresOptions extends Pick<WorkerContext, 'clock' | 'observer'> {
  readonly topologies: readonly PreparedTopology[]
  /** Memory for all rows together, bytes. */
  readonly maxBytes: number
}

/** The stores of a worker, with the rows that it has asked for. */
export class Stores {
  readonly #byTopology: ReadonlyMap<string, readonly OpenStore[]>

  constructor({ topologies, clock, observer, maxBytes }: StoresOptions) {
    const all = topologies.flatMap(({ stores }) => stores)
    const each = Math.floor(maxBytes / Math.max(1, all.length))
    this.#byTopology = new Map(
      topologies.map(({ definition, stores }) => {
        const { name: topology } = definition
        const opened = stores.map(({ definition: declared, source }) => {
          const labels = { topology, store: declared.name }
          return new OpenStore(declared, {
            source,
            clock,
            maxBytes: each,
            report: (report) => observer({ type: 'store-asked', ...labels, ...report }),
            failing: (reason) => observer({ type: 'trouble', kind: 'store', ...labels, reason }),
          })
        })
        return [topology, opened]
      }),
    )
  }

  of(topology: string): readonly OpenStore[] {
    return this.#byTopology.get(topology) ?? []
  }

  /** The look-ups of a topology. @param tables its tables */
  lookup(topology: string, tables: Lookup): Lookup {
    const byName = new Map(this.of(topology).map((store) => [store.definition.name, store]))
    return (name) => byName.get(name)?.rows() ?? tables(name)
  }
}

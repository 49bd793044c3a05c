import { LRUCache } from 'lru-cache'
import { isLater, type RecordId } from './record-order.ts'
import type { LookupCounts, MakeRow, RecordRow, RowStore } from './rows.ts'

/** Versions kept as objects: those looked up last. */
const RECENT = 10_000
/** Bytes of a key and of a version besides their texts, measured on Node 20. */
const KEY_BYTES = 120
const VERSION_BYTES = 120
/** Keys searched for old versions in one turn. */
const UNASKED = 1_024

interface Version {
  readonly timeMs: number
  /** A byte per character, which V8 stores as one byte; `null`: the key has no row. */
  readonly value: string | null
  readonly by: RecordId
}

/** The versions of each key, by the time from which they hold. */
export class VersionedRows implements RowStore {
  readonly #make: MakeRow
  readonly #counts: LookupCounts
  /** By key: at least one version, the oldest first. */
  readonly #versions = new Map<string, Version[]>()
  readonly #recent = new LRUCache<Version, ReturnType<MakeRow>>({ max: RECENT })
  readonly spreads = []
  /** All versions are kept that hold then or later, ms. */
  #oldestMs = Number.NEGATIVE_INFINITY
  size = 0
  bytes = 0

  constructor(make: MakeRow, counts: LookupCounts) {
    this.#make = make
    this.#counts = counts
  }

  get(key: string, timeMs: number): unknown {
    const versions = this.#versions.get(key)
    const at = versions === undefined ? 0 : countUpTo(versions, timeMs)
    const version = versions?.[at - 1]
    if (version === undefined || version.value === null) {
      if (version === undefined && versions !== undefined) this.#counts.early++
      else this.#counts.absent++
      return undefined
    }
    this.#counts.found++
    const recent = this.#recent.get(version)
    if (recent !== undefined) return recent
    const row = this.#make(Buffer.from(version.value, 'latin1'))
    this.#recent.set(version, row)
    return row
  }

  put({ key, value, timeMs }: RecordRow, by: RecordId): void {
    this.#insert(key, { timeMs, value: value.toString('latin1'), by })
  }

  delete(key: string, by: RecordId): void {
    this.#insert(key, { timeMs: by.timestampMs, value: null, by })
  }

  bytesOf(key: string, timeMs: number): Buffer | null {
    const versions = this.#versions.get(key) ?? []
    const version = versions[countUpTo(versions, timeMs) - 1]
    const isIt = version?.timeMs === timeMs && version.value !== null
    return isIt ? Buffer.from(version.value, 'latin1') : null
  }

  endLoad(): void {}

  withdraw(key: string, timeMs: number): void {
    const versions = this.#versions.get(key)
    if (versions === undefined) return
    const at = countUpTo(versions, timeMs) - 1
    if (versions[at]?.timeMs !== timeMs) return
    this.#removed(versions.splice(at, 1))
    if (versions.length > 0) return
    this.#versions.delete(key)
    this.bytes -= KEY_BYTES + key.length
  }

  *forget(oldestMs: number): Generator<void, void> {
    this.#oldestMs = Math.max(this.#oldestMs, oldestMs)
    let keys = 0
    for (const versions of this.#versions.values()) {
      if (++keys % UNASKED === 0) yield
      this.#prune(versions)
    }
  }

  #insert(key: string, version: Version): void {
    let versions = this.#versions.get(key)
    if (versions === undefined) {
      versions = []
      this.#versions.set(key, versions)
      this.bytes += KEY_BYTES + key.length
    }
    const after = countUpTo(versions, version.timeMs)
    // The later of two records with one time counts.
    const same = versions[after - 1]
    const replaced = same?.timeMs === version.timeMs ? 1 : 0
    if (replaced === 1 && !isLater(version.by, same?.by)) return
    this.#removed(versions.splice(after - replaced, replaced, version))
    this.size++
    this.bytes += bytesOf(version)
    this.#prune(versions)
  }

  /** Drops versions that no event can see any more; a missing row counts as a version. */
  #prune(versions: Version[]): void {
    const seen = countUpTo(versions, this.#oldestMs) - 1
    if (seen > 0) this.#removed(versions.splice(0, seen))
  }

  #removed(versions: readonly Version[]): void {
    for (const version of versions) {
      this.size--
      this.bytes -= bytesOf(version)
      this.#recent.delete(version)
    }
  }
}

function bytesOf({ value }: Version): number {
  return VERSION_BYTES + (value?.length ?? 0)
}

/** Versions that hold from `timeMs` or earlier. */
function countUpTo(versions: readonly Version[], timeMs: number): number {
  let [from, to] = [0, versions.length]
  while (from < to) {
    const middle = (from + to) >>> 1
    if ((versions[middle] as Version).timeMs <= timeMs) from = middle + 1
    else to = middle
  }
  return from
}

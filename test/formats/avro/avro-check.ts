import type { Type } from 'avsc'
import { avroWalk } from '../../../src/formats/avro/avro-check.ts'
import { PayloadCursor, refusalOf } from '../../../src/formats/payload-cursor.ts'

/** Says why a value cannot be decoded; `null`: it can. */
export function avroCheck(type: Type): (value: Uint8Array) => string | null {
  const [walk, cursor] = [avroWalk(type), new PayloadCursor()]
  return (value) => {
    cursor.begin(value, 0, value.length)
    return refusalOf(walk, cursor)
  }
}

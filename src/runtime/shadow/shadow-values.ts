import { NUMBER_BYTES, writeNumber } from '../../formats/json/number-text.ts'
import { ByteRoom, Constant } from '../../kernel/bytes.ts'
import type { OutputShape } from '../../topology/models.ts'

/** Stands for a number in a template. JSON has it nowhere else. */
const NUMBER = '\u0000'

/** Who has scored an event, as outputs name them. */
export interface NamedModels {
  /** The shadow, `name@version`. */
  readonly model: string
  readonly main: { readonly model: string; readonly route: string }
}

/** Writes the values of a shadow's outputs: `{ model, score, main: { model, route, score } }`. */
export class ShadowValues {
  /** What stands before each number, and after the last one. */
  readonly #gaps: readonly Constant[]
  readonly #room = new ByteRoom(0)

  /** @param outputs those of the step */
  constructor(outputs: Readonly<Record<string, OutputShape>>, { model, main }: NamedModels) {
    const by = `"model":${JSON.stringify(main.model)},"route":${JSON.stringify(main.route)}`
    const score = `"score":${templateOf(outputs)}`
    const text = `{"model":${JSON.stringify(model)},${score},"main":{${by},${score}}}`
    this.#gaps = text.split(NUMBER).map((gap) => new Constant(gap))
  }

  /**
   * A value, in memory that the next one uses again.
   * @param columns those of the shadow, then those of the main model
   */
  valueOf(columns: readonly Float64Array[], row: number): Buffer {
    const room = this.#room
    room.clear()
    for (let c = 0; c < columns.length; c++) {
      room.constant(this.#gaps[c] as Constant)
      room.reserve(NUMBER_BYTES)
      room.used = writeNumber(room.bytes, room.used, (columns[c] as Float64Array)[row] as number)
    }
    room.constant(this.#gaps[columns.length] as Constant)
    return room.bytes.subarray(0, room.used)
  }
}

/** Written by hand, since an object would put names that are whole numbers first. */
function templateOf(outputs: Readonly<Record<string, OutputShape>>): string {
  return objectOf(
    Object.entries(outputs).map(([name, { columns }]) => {
      return [name, columns === undefined ? NUMBER : objectOf(columns.map((c) => [c, NUMBER]))]
    }),
  )
}

function objectOf(fields: readonly (readonly [name: string, value: string])[]): string {
  return `{${fields.map(([name, value]) => `${JSON.stringify(name)}:${value}`).join(',')}}`
}

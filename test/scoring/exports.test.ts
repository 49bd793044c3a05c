import { expect, test } from 'vitest'
import { definitionOf, inspectModel } from '../../src/scoring/model-file.ts'
import { openSession } from '../../src/scoring/open-model.ts'
import { readingOf } from '../../src/scoring/runner.ts'
import { readModel } from '../../src/scoring/unchecked-model.ts'
import { exportNames, exportRows, isNear, toleranceOf } from '../exports/rows.ts'

const FOLDER = new URL('../exports/', import.meta.url)

test.each(exportNames(FOLDER))(
  '%s, as exported by default, scores as its library',
  async (name) => {
    const { features, rows, expected, classes, scoreOutput, differs } = exportRows(name, FOLDER)
    const inspection = await inspectModel(new URL(`${name}.onnx`, FOLDER).pathname)
    expect(inspection.problems).toEqual([])
    const columns = inspection.suggested[scoreOutput]?.columns
    // XGBoost's exporter writes no ZipMap, so the file does not name the classes.
    const hasNames = classes !== null && !name.startsWith('xgboost')
    expect(columns).toEqual(hasNames ? classes.map(String) : columns)
    const definition = definitionOf({ ...inspection, features })
    const modelFile = await readModel(definition.file, 'here')
    const session = await openSession({ modelFile, where: 'here' }, readingOf(definition))
    const all = Float32Array.from(rows.flat(), (number) => number ?? Number.NaN)
    const answer = await session.run(all, rows.length)
    await session.close()
    const tolerance = toleranceOf(name)
    const off = expected.filter(
      (row, i) => !row.every((score, c) => isNear(answer[c]?.[i] as number, score, tolerance)),
    )
    expect(off.length).toBe(differs)
  },
)

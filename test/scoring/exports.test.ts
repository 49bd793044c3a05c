import { expect, test } from 'vitest'
import { definitionOf, inspectModel } from '../../src/scoring/model-file.ts'
import { loadSingle } from '../../src/scoring/models.ts'
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
    const { scorer } = await loadSingle(definitionOf({ ...inspection, features }), {
      evaluator: 'auto',
      latencyBudgetMs: 1_000,
    })
    const all = Float32Array.from(rows.flat(), (number) => number ?? Number.NaN)
    const answer = await scorer.score(all, rows.length)
    await scorer.close()
    expect(answer.failed.size).toBe(0)
    const tolerance = toleranceOf(name)
    const off = expected.filter(
      (row, i) =>
        !row.every((score, c) => isNear(answer.columns[c]?.[i] as number, score, tolerance)),
    )
    expect(off.length).toBe(differs)
  },
)

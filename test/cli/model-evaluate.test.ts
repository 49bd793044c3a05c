import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, test } from 'vitest'
import { describeEvaluation } from '../../src/cli/evaluation-report.ts'
import { type RowReading, readRows } from '../../src/cli/model-evaluate.ts'
import { modelOfFile } from '../../src/host/model-of-file.ts'
import type { TidemarkError } from '../../src/kernel/errors.ts'
import { seeded } from '../../src/kernel/random.ts'
import { tidemark } from '../support/command-line.ts'
import { folderWith } from '../support/folder.ts'

const TREES = 'topologies/models/card-gbdt.onnx'
const RISK = 'test/fixtures/models/risk.onnx'

interface Golden {
  readonly inputs: readonly (readonly (number | null)[])[]
  readonly outputs: readonly (readonly number[])[]
}

/** Rows of a model whose label is 1 as often as the model says. */
function goldenRows() {
  const golden = JSON.parse(readFileSync('topologies/models/card-gbdt.golden.json', 'utf8'))
  const { inputs, outputs } = golden as Golden
  const random = seeded(11)
  return inputs.map((features, i) => ({
    ...{ features, score: Number(outputs[i]), fraud: random() < Number(outputs[i]) ? 1 : 0 },
  }))
}

const linesOf = (rows: readonly object[]) => `${rows.map((r) => JSON.stringify(r)).join('\n')}\n`

/** A file that declares the model of three classes. */
const RISK_MODEL = `import { onnxModel } from 'tidemark'
export const risk = onnxModel({
  name: 'risk',
  version: '3',
  file: new URL('${pathToFileURL(RISK).href}'),
  sha256: 'SHA256',
  input: 'features',
  features: ['a', 'b'],
  outputs: {
    risk: { tensor: 'risk', columns: ['low', 'mid', 'high'] },
    label: { tensor: 'label', column: 0 },
  },
  accuracy: { macroF1: 0.5, rows: 4 },
})
`

function riskModel(): string {
  const sha256 = createHash('sha256').update(readFileSync(RISK)).digest('hex')
  return RISK_MODEL.replace('SHA256', sha256)
}

/** A folder with these files, in which this package is installed. */
function projectWith(files: Readonly<Record<string, string>>): string {
  const folder = folderWith(files)
  mkdirSync(join(folder, 'node_modules'))
  symlinkSync(process.cwd(), join(folder, 'node_modules/tidemark'))
  return folder
}

describe('tidemark model evaluate', () => {
  test('of an ONNX file tells how well it finds positive rows, and what to paste', async () => {
    const rows = goldenRows()
    const folder = folderWith({ 'rows.ndjson': linesOf(rows) })
    const args = ['model', 'evaluate', TREES, '--rows', join(folder, 'rows.ndjson')]
    const { code, stdout } = await tidemark([...args, '--label', 'fraud'])
    expect(code).toBe(0)
    const [positives, negatives] = [1, 0].map((label) => rows.filter((r) => r.fraud === label))
    let above = 0
    for (const p of positives ?? []) {
      for (const n of negatives ?? [])
        above += p.score > n.score ? 1 : p.score === n.score ? 0.5 : 0
    }
    const auc = above / ((positives?.length ?? 0) * (negatives?.length ?? 0))
    expect(stdout).toMatch(/^card-gbdt\.onnx {2}probability against fraud, binary\n/)
    const [, told, count] = /\naccuracy: \{ auc: ([\d.]+), rows: (\d+) \},\n$/.exec(stdout) ?? []
    expect(Number(told)).toBeCloseTo(auc, 3)
    expect(Number(count)).toBe(rows.length)
  })

  test('of a declared model of several classes writes a table of confusions', async () => {
    const rows = [
      ...[
        { a: 3, b: 0, of: 'low' },
        { a: 0, b: 3, of: 'mid' },
        { a: 0, b: 3, of: 'high' },
      ],
      { a: 1, b: -3, of: 2 },
    ]
    const folder = projectWith({ 'risk.model.ts': riskModel(), 'rows.ndjson': linesOf(rows) })
    const [model, file] = [join(folder, 'risk.model.ts'), join(folder, 'rows.ndjson')]
    const args = ['model', 'evaluate', model, '--rows', file, '--label', 'of', '--output', 'risk']
    const { code, stdout } = await tidemark([...args, '--json'])
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({
      ...{ output: 'risk', label: 'of', unscored: 0 },
      evaluation: {
        ...{ task: 'classes', rows: 4, classes: ['low', 'mid', 'high'], accuracy: 0.75 },
        confusion: [
          [1, 0, 0],
          [0, 1, 0],
          [0, 1, 1],
        ],
      },
      accuracy: { macroF1: 0.7778, rows: 4 },
    })
  })

  test('tells of ten bad lines at once, and measures nothing', async () => {
    const rows = Array.from({ length: 20 }, () => ({ features: [1, 2] }))
    const folder = folderWith({ 'rows.ndjson': linesOf(rows) })
    const args = ['model', 'evaluate', TREES, '--rows', join(folder, 'rows.ndjson')]
    const { code, stdout, stderr } = await tidemark([...args, '--label', 'fraud'])
    expect([code, stdout]).toEqual([3, ''])
    expect(stderr.match(/rows\.ndjson:\d+/g)).toHaveLength(10)
  })

  test('of no rows is refused', async () => {
    const folder = folderWith({ 'rows.ndjson': '' })
    const args = ['model', 'evaluate', TREES, '--rows', join(folder, 'rows.ndjson')]
    const { code, stderr } = await tidemark([...args, '--label', 'fraud'])
    expect(code).toBe(3)
    expect(stderr).toContain('there are no rows that the model scores')
  })

  test('version and stated accuracy are kept when the same model is written again', async () => {
    const folder = projectWith({ 'risk.model.ts': riskModel() })
    const out = join(folder, 'risk.model.ts')
    const args = ['model', 'types', RISK, '--features', 'a,b', '--out', out]
    expect((await tidemark(args)).code).toBe(0)
    const written = readFileSync(out, 'utf8')
    expect(written).toContain('  accuracy: { macroF1: 0.5, rows: 4 },\n')
    expect(written).toContain("version: '3'")
  })

  /** Writes the definition of a model in the place of another's, which has a version. */
  const writtenAfter = async (version: string, ...more: readonly string[]) => {
    const before = riskModel()
      .replace(/sha256: '\w+'/, "sha256: 'of-another'")
      .replace("version: '3'", `version: '${version}'`)
    const out = join(projectWith({ 'risk.model.ts': before }), 'risk.model.ts')
    const args = ['model', 'types', RISK, '--features', 'a,b', '--out', out, ...more]
    return { ...(await tidemark(args)), before, written: readFileSync(out, 'utf8') }
  }

  test('another model gets the next version, or the one that is asked for, and no accuracy', async () => {
    const next = await writtenAfter('9007199254740993')
    expect(next.written).toContain("version: '9007199254740994'")
    expect(next.written).not.toContain('accuracy: ')
    const chosen = await writtenAfter('may', '--version', 'june')
    expect(chosen.written).toContain("version: 'june'")
  })

  test('where no version is the next one, it must be named', async () => {
    const { code, stderr, written, before } = await writtenAfter('may')
    expect([code, written]).toEqual([3, before])
    expect(stderr).toContain('the model is another than risk@may, and no version follows that one')
  })
})

describe('the model of a file', () => {
  test.each([
    ['export const a = 1\n', 'exports no model'],
    [`${RISK_MODEL}export const other = { ...risk }\n`, 'exports 2 models: other, risk'],
  ])('is one, not %#', async (text, message) => {
    const folder = projectWith({ 'm.model.ts': text })
    await expect(modelOfFile(join(folder, 'm.model.ts'))).rejects.toMatchObject({
      ...{ code: 'CONFIG_INVALID', message },
    })
  })

  test('may be exported under two names, or by CommonJS', async () => {
    const twice = `${RISK_MODEL}export default risk\n`
    const common = RISK_MODEL.replace('export const risk', 'exports.risk').replace(
      "import { onnxModel } from 'tidemark'",
      "const { onnxModel } = require('tidemark')",
    )
    const folder = projectWith({ 'twice.ts': twice, 'common.cjs': common })
    expect(await modelOfFile(join(folder, 'twice.ts'))).toMatchObject({ version: '3' })
    expect(await modelOfFile(join(folder, 'common.cjs'))).toMatchObject({ version: '3' })
  })

  test('that cannot be loaded says why', async () => {
    const folder = projectWith({ 'm.model.ts': 'throw new Error("no")\n' })
    await expect(modelOfFile(join(folder, 'm.model.ts'))).rejects.toMatchObject({
      ...{ code: 'TOPOLOGY_LOAD', message: 'no' },
    })
    await expect(modelOfFile(join(folder, 'none.model.ts'))).rejects.toMatchObject({
      message: 'there is no such file',
    })
  })
})

const TOLD = { file: 'm.onnx', output: 'p', label: 'y', unscored: 0 }

describe('a report', () => {
  test('of probabilities has a bar that ends at its mark where they are calibrated', () => {
    const empty = { rows: 0, meanScore: Number.NaN, positiveShare: Number.NaN }
    const text = describeEvaluation({
      ...TOLD,
      unscored: 2,
      result: {
        ...{ task: 'binary', rows: 12_000, positives: 5_000, auc: 0.98765 },
        probability: {
          ...{ logLoss: 0.25, accuracy: 0.9, brier: 0.00012346 },
          calibration: [
            { from: 0, to: 0.1, rows: 2_000, meanScore: 0.05, positiveShare: 0 },
            { from: 0.5, to: 0.6, rows: 10_000, meanScore: 0.5, positiveShare: 0.5 },
            { from: 0.9, to: 1, ...empty },
          ],
        },
      },
    })
    expect(text).toBe(`m.onnx  p against y, binary
rows         12,000, 2 without a finite score left out
positive     5,000, 41.67 %
AUC          0.9877
log loss     0.25
Brier score  0.0001235
accuracy     0.9, positive from 0.5 on

predicted     rows    mean  positive  bar: positive, │: mean of the predictions
0.0 to 0.1   2,000  0.0500    0.0000   │
0.5 to 0.6  10,000  0.5000    0.5000  ████████████│
0.9 to 1.0       0

accuracy: { auc: 0.9877, rows: 12_000 },
`)
  })

  test('says what cannot be measured, and then states nothing', () => {
    const one = { task: 'binary', rows: 3, positives: 3, auc: Number.NaN } as const
    expect(
      describeEvaluation({ ...TOLD, result: { ...one, probability: null } }),
    ).toBe(`m.onnx  p against y, binary
rows      3
positive  3, 100.00 %
AUC       none: all rows have the same label
log loss  none: scores are not between 0 and 1
`)
  })

  test('of a regression has errors in the unit of the label', () => {
    const result = { task: 'regression', rows: 3, mae: 1_234.56, rmse: 23_456.7, r2: 0.5 } as const
    expect(describeEvaluation({ ...TOLD, result })).toBe(`m.onnx  p against y, regression
rows  3
MAE   1,235
RMSE  23,460
R²    0.5

accuracy: { rmse: 23460, rows: 3 },
`)
  })
})

const FORMAT: RowReading = {
  file: 'rows.ndjson',
  features: ['amount', 'count'],
  label: 'fraud',
  labelFault: (label) => (typeof label === 'number' ? null : 'is not a number'),
}

function read(texts: readonly string[], format: RowReading = FORMAT) {
  const faults: TidemarkError[] = []
  const lines = texts.map((text, i) => ({ number: i + 1, bytes: Buffer.from(text) }))
  const { rows, labels } = readRows(lines, format, faults)
  return { rows: [...rows.subarray(0, 2 * labels.length)], labels, faults }
}

describe('a row', () => {
  test('has its features by name, in any order, among other fields', () => {
    expect(read(['{"fraud": 1, "count": 2, "city": "Ulm", "amount": 0.5}'])).toEqual({
      ...{ rows: [0.5, 2], labels: [1], faults: [] },
    })
  })

  test('may have its features in an object or a list of their own', () => {
    const lines = [
      '{"features": {"count": 2, "amount": 1}, "fraud": 0}',
      '{"features": [3, 4], "fraud": 1}',
    ]
    expect(read(lines)).toEqual({ rows: [1, 2, 3, 4], labels: [0, 1], faults: [] })
  })

  test('may lack the value of a feature, as null', () => {
    expect(read(['{"amount": null, "count": 1, "fraud": 0}']).rows).toEqual([Number.NaN, 1])
  })

  test('may have its label further inside', () => {
    const label = 'outcome.fraud'
    const lines = ['{"amount": 1, "count": 1, "outcome": {"fraud": 1}}']
    expect(read(lines, { ...FORMAT, label }).labels).toEqual([1])
  })
})

test('invalid lines are told with their numbers, and the others are read', () => {
  const lines = [
    '{"amount": 1, "count": 2, "fraud": 0}',
    '{"amount": 1,',
    '[1, 2]',
    '{"amount": 1, "count": 2}',
    '{"amount": 1, "count": 2, "fraud": "no"}',
    '{"amount": 1, "fraud": 0}',
    '{"amount": "1", "count": 2, "fraud": 0}',
    '{"amount": 1e39, "count": 2, "fraud": 0}',
    '{"features": [1], "fraud": 0}',
    '{"amount": 3, "count": 4, "fraud": 1}',
  ]
  const { rows, labels, faults } = read(lines)
  expect({ rows, labels }).toEqual({ rows: [1, 2, 3, 4], labels: [0, 1] })
  expect(faults.map(({ where, message }) => `${where} ${message}`)).toEqual([
    expect.stringMatching(/^rows\.ndjson:2 the line is not JSON: /),
    'rows.ndjson:3 the line is not a JSON object',
    'rows.ndjson:4 there is no label "fraud"',
    'rows.ndjson:5 label "no" is not a number',
    'rows.ndjson:6 there is no feature "count"',
    'rows.ndjson:7 feature "amount" is "1", not a number or null',
    'rows.ndjson:8 feature "amount" is 1e+39, which a float32 cannot hold',
    'rows.ndjson:9 there are 1 features, the model takes 2',
  ])
})

import { existsSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { Command } from 'commander'
import { modelOfFile } from '../host/model-of-file.ts'
import { configFault, Refused } from '../kernel/errors.ts'
import { type Inspection, inspectModel, modelSource, nameFor } from '../scoring/model-file.ts'
import type { ModelDefinition } from '../topology/models.ts'
import { modelBenchmark } from './model-benchmark.ts'
import { modelEvaluate } from './model-evaluate.ts'
import { say, write } from './print.ts'

const MODEL = 'ONNX model, or its URL: https://…, or models:/name@alias of MLflow'

export function model(): Command {
  return new Command('model')
    .description(
      'look at an ONNX model, write its definition, or measure how accurate and how fast it is',
    )
    .addCommand(inspect())
    .addCommand(types())
    .addCommand(modelEvaluate())
    .addCommand(modelBenchmark())
}

function inspect(): Command {
  return new Command('inspect')
    .description('show inputs and outputs of a model, and why a topology would refuse it')
    .argument('<file>', MODEL)
    .option('--golden <file>', 'file of rows with their expected outputs')
    .action(async (file: string, flags: { golden?: string }) => {
      const inspection = await inspectModel(file, flags.golden)
      await write(describeModel(inspection))
      if (inspection.problems.length > 0) throw new Refused(inspection.problems)
    })
}

type TypesFlag = 'golden' | 'features' | 'name' | 'version' | 'out'
type TypesFlags = Readonly<Partial<Record<TypesFlag, string>>>

function types(): Command {
  return new Command('types')
    .description("write a model's definition, which a topology imports")
    .argument('<file>', MODEL)
    .option('--golden <file>', "file of rows with their expected outputs, and the features' names")
    .option('--features <a,b,…>', "the features' names, if there is no golden file")
    .option('--name <name>', "name of the model (default: the file's)")
    .option(
      '--version <version>',
      'version of the model, as marked in outputs (default: that of the definition in --out, or the next one if the model is another; otherwise that of the registry, or 1)',
    )
    .option('--out <file>', 'file to write (default: stdout)')
    .action(async (file: string, flags: TypesFlags) => {
      const inspection = await inspectModel(file, flags.golden)
      const { out, features } = flags
      const isThere = out !== undefined && existsSync(out)
      const before = isThere ? await modelOfFile(out).catch(() => null) : null
      const isSame = before?.sha256 === inspection.sha256
      const registered = /^models:\/[^/]+\/(\d+)$/.exec(file)?.[1]
      const source = modelSource(inspection, {
        name: flags.name ?? nameFor(inspection.url),
        version: flags.version ?? (isSame ? before.version : (registered ?? versionAfter(before))),
        ...(features !== undefined && { features: features.split(',') }),
        ...(out !== undefined && { folder: dirname(out) }),
        ...(isSame && before.accuracy && { accuracy: before.accuracy }),
      })
      if (inspection.problems.length > 0) throw new Refused(inspection.problems)
      if (out === undefined) return write(source)
      writeFileSync(out, source)
      say(`${out} written`)
    })
}

/** The version of another model that takes the place of one. */
function versionAfter(before: ModelDefinition | null): string {
  const { name, version } = before ?? { name: '', version: '0' }
  if (/^\d+$/.test(version)) return String(BigInt(version) + 1n)
  const message = `the model is another than ${name}@${version}, and no version follows that one`
  throw configFault(message, '--version', 'name the version of the new model')
}

function describeModel({ bytes, sha256, ...inspection }: Inspection): string {
  const tensor = (t: Inspection['inputs'][number]) =>
    `${t.name}: ${t.type ?? 'no tensor'}[${t.shape.map((n) => (n === '' ? 'N' : n)).join(', ')}]`
  const { inputs, outputs, features, suggested } = inspection
  const lines = [
    `sha256    ${sha256}`,
    `bytes     ${bytes}`,
    ...inputs.map((t) => `input     ${tensor(t)}`),
    ...outputs.map((t) => `output    ${tensor(t)}`),
    ...(features === null ? [] : [`features  ${features.join(', ')}`]),
    ...Object.entries(suggested).map(([name, { tensor: tensorName, column, columns }]) => {
      const which = columns === undefined ? `column ${column}` : `columns ${columns.join(', ')}`
      return `score     ${name} = ${tensorName}, ${which}`
    }),
  ]
  return `${lines.join('\n')}\n`
}

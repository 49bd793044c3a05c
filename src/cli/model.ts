import { existsSync, writeFileSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { Command } from 'commander'
import { Refused } from '../kernel/errors.ts'
import { type Inspection, inspectModel, modelSource } from '../scoring/model-file.ts'
import { modelBenchmark } from './model-benchmark.ts'
import { modelEvaluate } from './model-evaluate.ts'
import { modelOfFile } from './model-of-file.ts'
import { say, write } from './print.ts'

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
    .argument('<file>', 'ONNX model')
    .option('--golden <file>', 'file of rows with their expected outputs')
    .action(async (file: string, flags: { golden?: string }) => {
      const inspection = await inspectModel(file, flags.golden)
      await write(describeModel(inspection))
      if (inspection.problems.length > 0) throw new Refused(inspection.problems)
    })
}

interface TypesFlags {
  readonly golden?: string
  readonly features?: string
  readonly name?: string
  readonly version: string
  readonly out?: string
}

function types(): Command {
  return new Command('types')
    .description("write a model's definition, which a topology imports")
    .argument('<file>', 'ONNX model')
    .option('--golden <file>', "file of rows with their expected outputs, and the features' names")
    .option('--features <a,b,…>', "the features' names, if there is no golden file")
    .option('--name <name>', "name of the model (default: the file's)")
    .option('--version <version>', 'version of the model, as marked in outputs', '1')
    .option('--out <file>', 'file to write (default: stdout)')
    .action(async (file: string, flags: TypesFlags) => {
      const inspection = await inspectModel(file, flags.golden)
      const source = modelSource(inspection, {
        name: flags.name ?? basename(file, '.onnx'),
        version: flags.version,
        ...(flags.features === undefined ? {} : { features: flags.features.split(',') }),
        ...(flags.out === undefined ? {} : await keptFor(flags.out, inspection)),
      })
      if (inspection.problems.length > 0) throw new Refused(inspection.problems)
      if (flags.out === undefined) {
        await write(source)
        return
      }
      writeFileSync(flags.out, source)
      say(`${flags.out} written`)
    })
}

async function keptFor(out: string, { sha256 }: Inspection) {
  const folder = dirname(out)
  const before = existsSync(out) ? await modelOfFile(out).catch(() => null) : null
  if (before?.sha256 !== sha256 || before.accuracy === undefined) return { folder }
  return { folder, accuracy: before.accuracy }
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
    ...Object.entries(suggested).map(([name, { tensor: of, column, columns }]) => {
      const which = columns === undefined ? `column ${column}` : `columns ${columns.join(', ')}`
      return `score     ${name} = ${of}, ${which}`
    }),
  ]
  return `${lines.join('\n')}\n`
}

import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { expect, test } from 'vitest'
import { folderWith } from '../support/folder.ts'
import { ROOT } from '../support/paths.ts'

// The boundaries of `npm run boundaries`, each with a file that breaks it.

const TOOL = join(ROOT, 'node_modules/.bin/depcruise')
const CONFIG = '.config/dependency-cruiser.cjs'
const PACKAGE = readFileSync(join(ROOT, 'package.json'), 'utf8')

/** Files that others import, and a copy of each package of ours that has nothing in it. */
const THERE: Record<string, string> = {
  'package.json': PACKAGE,
  [CONFIG]: readFileSync(join(ROOT, CONFIG), 'utf8'),
  'tsconfig.json': readFileSync(join(ROOT, 'tsconfig.json'), 'utf8'),
  'src/index.ts': 'export const all = 1',
  'src/kernel/time.ts': 'export const time = 1',
  'src/kernel/clock.ts': 'export const clock = 1',
  'src/kernel/random.ts': 'export const random = 1',
  'src/topology/schema.ts': 'export const schema = 1',
  'src/connect/port.ts': 'export const port = 1',
  'src/connect/kafka/log.ts': 'export const log = 1',
  'src/connect/memory/log.ts': 'export const log = 1',
  'src/runtime/events.ts': 'export const events = 1',
  'src/runtime/worker.ts': 'export const worker = 1',
  'src/runtime/partition/task.ts': 'export const task = 1',
  'test/support/paths.ts': 'export const paths = 1',
  'topologies/payment.ts': 'export const payment = 1',
  ...packages(),
}

function packages(): Record<string, string> {
  const { dependencies, devDependencies } = JSON.parse(PACKAGE) as Record<string, object>
  const names = Object.keys({ ...dependencies, ...devDependencies })
  return Object.fromEntries(names.map((name) => [`node_modules/${name}/index.js`, '']))
}

/** The imports of a file, and the rules that they break. */
type Plant = readonly [imports: readonly string[], rules: readonly string[]]

const PLANTED: Record<string, Plant> = {
  'src/topology/bare-core.ts': [['process'], ['topology-does-no-io']],
  'src/topology/core.ts': [['node:process'], ['topology-does-no-io']],
  'src/topology/clock.ts': [['../kernel/clock.ts'], ['topology-reads-no-clock']],
  'src/topology/random.ts': [['../kernel/random.ts'], ['topology-draws-nothing']],
  'src/engine/core.ts': [['node:timers/promises'], ['engine-does-no-io']],
  'src/engine/clock.ts': [['../kernel/clock.ts'], ['engine-reads-no-clock']],
  'src/engine/random.ts': [['../kernel/random.ts'], ['engine-draws-nothing']],
  'src/engine/operators/score/other.ts': [
    ['../dedupe/floor.ts'],
    ['steps-know-nothing-of-each-other'],
  ],
  'src/engine/outward.ts': [['../runtime/events.ts'], ['engine-imports-inward']],
  'src/engine/package.ts': [['zod'], ['engine-has-its-packages']],
  'src/engine/unknown.ts': [['no-such-package'], ['engine-has-its-packages']],
  'src/kernel/package.ts': [['pino'], ['kernel-has-its-packages']],
  'src/kernel/outward.ts': [['../topology/schema.ts'], ['kernel-imports-inward']],
  'src/topology/outward.ts': [['../connect/port.ts'], ['topology-imports-inward']],
  'src/topology/package.ts': [['zod'], ['topology-has-its-packages']],
  'src/columns/core.ts': [['node:process'], ['columns-does-no-io']],
  'src/columns/clock.ts': [['../kernel/clock.ts'], ['columns-reads-no-clock']],
  'src/columns/random.ts': [['../kernel/random.ts'], ['columns-draws-nothing']],
  'src/columns/package.ts': [['zod'], ['columns-has-its-packages']],
  'src/columns/outward.ts': [['../connect/port.ts'], ['columns-imports-inward']],
  'src/registry/package.ts': [['zod'], ['registry-has-its-packages']],
  'src/registry/outward.ts': [['../topology/schema.ts'], ['registry-imports-inward']],
  'src/registry/client.ts': [
    ['@kafkajs/confluent-schema-registry'],
    ['@kafkajs/confluent-schema-registry-only-in-registry-confluent-registry-ts'],
  ],
  'src/formats/avro.ts': [['avsc'], ['avsc-only-in-formats-avro-']],
  'src/formats/package.ts': [['zod'], ['formats-has-its-packages']],
  'src/formats/outward.ts': [['../connect/port.ts'], ['formats-imports-inward']],
  'src/lookup/package.ts': [['secure-json-parse'], ['lookup-has-its-packages']],
  'src/lookup/outward.ts': [['../connect/port.ts'], ['lookup-imports-inward']],
  'src/trees/package.ts': [['pino'], ['trees-has-its-packages']],
  'src/trees/outward.ts': [['../connect/port.ts'], ['trees-imports-inward']],
  'src/scoring/package.ts': [['pino'], ['scoring-has-its-packages']],
  'src/scoring/outward.ts': [['../connect/port.ts'], ['scoring-imports-inward']],
  'src/scoring/runtime.ts': [
    ['onnxruntime-node'],
    ['onnxruntime-node-only-in-scoring-onnx-runtime-ts'],
  ],
  'src/connect/package.ts': [['pino'], ['connect-has-its-packages']],
  'src/connect/outward.ts': [['../runtime/events.ts'], ['connect-imports-inward']],
  'src/connect/client.ts': [['kafkajs'], ['kafkajs-only-in-connect-kafka-']],
  'src/connect/tables.ts': [
    ['@duckdb/node-api'],
    ['@duckdb-only-in-connect-files-', 'src-has-no-dev-dependency'],
  ],
  'src/connect/rows.ts': [['redis'], ['redis-only-in-connect-redis-']],
  'src/connect/kafka/unpacks.ts': [
    ['fzstd'],
    ['(snappy|lz4-napi|fzstd)-only-in-connect-kafka-codec-'],
  ],
  'src/connect/kafka/other.ts': [['../memory/log.ts'], ['systems-know-nothing-of-each-other']],
  'src/connect/files/other.ts': [['../kafka/log.ts'], ['systems-know-nothing-of-each-other']],
  'src/connect/memory/other.ts': [['../kafka/log.ts'], ['systems-know-nothing-of-each-other']],
  'src/runtime/package.ts': [['commander'], ['runtime-has-its-packages']],
  'src/runtime/outward.ts': [['../serve/there.ts'], ['runtime-imports-inward']],
  'src/runtime/barrel.ts': [['../index.ts'], ['no-own-barrel', 'runtime-imports-inward']],
  'src/runtime/one.ts': [['./two.ts'], ['no-cycles']],
  'src/observe/package.ts': [['commander'], ['observe-has-its-packages']],
  'src/observe/outward.ts': [['../topology/schema.ts'], ['observe-imports-inward']],
  'src/observe/registry.ts': [['prom-client'], ['prom-client-only-in-observe-metric-registry-ts']],
  'src/serve/package.ts': [['pino'], ['serve-has-its-packages']],
  'src/serve/outward.ts': [['../connect/port.ts'], ['serve-imports-inward']],
  'src/host/package.ts': [['pino'], ['host-has-its-packages']],
  'src/host/outward.ts': [['../cli/build.js'], ['host-imports-inward']],
  'src/jobs/package.ts': [['pino'], ['jobs-has-its-packages']],
  'src/jobs/outward.ts': [['../cli/build.js'], ['jobs-imports-inward']],
  'src/topology/parser.ts': [['acorn'], ['acorn(-walk)?-only-in-topology-function-source-ts']],
  'src/testing/package.ts': [['zod'], ['testing-has-its-packages']],
  'src/testing/outward.ts': [['../serve/there.ts'], ['testing-imports-inward']],
  'src/testing/runner.ts': [['vitest'], ['src-has-no-dev-dependency']],
  'src/cli/package.ts': [['kafkajs'], ['cli-has-its-packages', 'kafkajs-only-in-connect-kafka-']],
  'src/cli/builds.ts': [['tsx'], ['cli-has-its-packages', 'src-has-no-dev-dependency']],
  'src/cli/work.ts': [['../connect/port.ts'], ['commands-leave-work-to-jobs']],
  'src/cli/starts.ts': [['../runtime/worker.ts'], ['commands-start-no-worker']],
  'src/cli/test.ts': [['../../test/support/paths.ts'], ['cli-imports-inward', 'src-imports-src']],
  'src/cli/room.ts': [['../new-room/reads.ts'], ['cli-imports-inward']],
  'src/new-room/alone.ts': [[], ['src-has-known-rooms-only']],
  'src/new-room/reads.ts': [['../kernel/time.ts'], ['src-has-known-rooms-only']],
  'topologies/inside.ts': [['../src/topology/schema.ts'], ['topologies-use-the-package-name']],
  'topologies/core.ts': [['node:fs'], ['topologies-have-a-schema-library-only']],
  'topologies/package.ts': [['pino'], ['topologies-have-a-schema-library-only']],
  'topologies/test.ts': [['../test/support/paths.ts'], ['topologies-have-a-schema-library-only']],
}

/** Files whose imports break no rule. */
const ALLOWED: Record<string, readonly string[]> = {
  'src/topology/allowed.ts': ['@standard-schema/spec', '../kernel/time.ts', './schema.ts'],
  'src/engine/allowed.ts': ['../kernel/time.ts', '../topology/schema.ts'],
  'src/connect/kafka/allowed.ts': ['kafkajs', 'node:net', '../port.ts'],
  'src/serve/there.ts': ['node:http', '../runtime/events.ts'],
  'src/runtime/start/above.ts': [],
  // A cycle is told once.
  'src/runtime/two.ts': ['./one.ts'],
  'src/testing/vitest.ts': ['vitest'],
  'src/cli/build.js': ['esbuild', '../serve/there.ts'],
  'topologies/allowed.ts': ['tidemark', 'zod', './payment.ts'],
}

interface Rule {
  readonly name: string
}

/** A rule of a floor: `from` is one of its folders or files, `to` its room. */
interface FloorRule extends Rule {
  readonly from: { readonly path: string }
  readonly to: { readonly path: string }
}

interface Config {
  readonly forbidden: readonly Rule[]
  readonly required: readonly Rule[]
}

interface Report {
  readonly summary: {
    readonly violations: readonly { readonly from: string; readonly rule: Rule }[]
  }
}

const RULES = createRequire(import.meta.url)(join(ROOT, CONFIG)) as Config
const OUTERMOST = 'outermost.ts'
const FLOORS = (RULES.forbidden as readonly FloorRule[]).filter(({ name }) => /-\d-/.test(name))

/** Breaks the rule of a floor with an import from the last floor of its room. */
function plantOf({ name, from, to }: FloorRule): readonly [path: string, plant: Plant] {
  const first = from.path
    .replace('^', '')
    .replace(/\(([^|]+)\|.*\)/, '$1')
    .replace('\\.', '.')
  const path = first.endsWith('/') ? `${first}floor.ts` : first
  const outermost = relative(dirname(path), join(to.path.replace('^', ''), OUTERMOST))
  return [path, [[outermost.startsWith('.') ? outermost : `./${outermost}`], [name]]]
}

/** By room, its outermost file. */
function outermostFiles(): Record<string, readonly string[]> {
  const rooms = FLOORS.map(({ to }) => to.path.replace('^', ''))
  return Object.fromEntries(rooms.map((room) => [join(room, OUTERMOST), []]))
}

function importing(names: readonly string[]): string {
  return ['export {}', ...names.map((name) => `import '${name}'`)].join('\n')
}

/** The rules that each of these files breaks, in the order of their names. */
function brokenRules(files: Readonly<Record<string, readonly string[]>>): Record<string, string[]> {
  const planted = Object.entries(files).map(([path, names]) => [path, importing(names)] as const)
  const cwd = folderWith({ ...THERE, ...Object.fromEntries(planted) })
  const args = ['--config', CONFIG, '--output-type', 'json', 'src', 'topologies', 'test']
  const { summary } = JSON.parse(execFileSync(TOOL, args, { cwd, encoding: 'utf8' })) as Report
  const broken: Record<string, string[]> = {}
  for (const { from, rule } of summary.violations) (broken[from] ??= []).push(rule.name)
  for (const rules of Object.values(broken)) rules.sort()
  return broken
}

test('each boundary is refused to be crossed, by its name', () => {
  const plants = [...Object.entries(PLANTED), ...FLOORS.map(plantOf)]
  const imports = plants.map(([path, [names]]) => [path, names] as const)
  const files = { ...Object.fromEntries(imports), ...outermostFiles(), ...ALLOWED }
  expect(brokenRules(files)).toEqual(
    Object.fromEntries(plants.map(([path, [, names]]) => [path, names])),
  )
})

test('no boundary is without a file that breaks it', () => {
  const { forbidden, required } = RULES
  const plants = [...Object.values(PLANTED), ...FLOORS.map((rule) => plantOf(rule)[1])]
  const broken = new Set(plants.flatMap(([, rules]) => rules))
  const unbroken = [...forbidden, ...required].filter(({ name }) => !broken.has(name))
  expect(unbroken.map(({ name }) => name)).toEqual([])
})

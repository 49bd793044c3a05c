import { Command } from 'commander'
import { modelOfFile } from '../host/model-of-file.ts'
import { type Config, SERVE_SETTINGS } from '../host/settings.ts'
import { configFault, refuseIfAny, type TidemarkError, unlessRefused } from '../kernel/errors.ts'
import { groupedBy } from '../kernel/grouped.ts'
import { loadSingle } from '../scoring/models.ts'
import { shownEvaluator } from '../scoring/scorer.ts'
import { RequestServer } from '../serve/request-server.ts'
import { modelRoutes, type ServedModel, served } from '../serve/served-model.ts'
import { addSettings, readConfig } from './config.ts'
import { untilSignal } from './exit.ts'
import { say, sayNotes } from './print.ts'

const PORT = 8_080
/** How long a batch may take, ms. */
const BATCH_MS = 50

export function serve(): Command {
  const command = new Command('serve')
    .description('answer requests with the scores of models, over HTTP and without Kafka')
    .argument('<files...>', 'ONNX models, each with its .golden.json, or definitions, .model.ts')
    .action(serveFiles)
  return addSettings(command, SERVE_SETTINGS)
}

async function serveFiles(files: readonly string[], flags: Record<string, unknown>): Promise<void> {
  const config = readConfig(SERVE_SETTINGS, flags)
  const { predictPort, predictHost: host, predictTokenFile: token } = config
  const ended = untilSignal()
  const models: ServedModel[] = []
  try {
    const faults: TidemarkError[] = []
    for (const file of files) {
      const model = await unlessRefused(() => loaded(file, config), faults)
      if (model !== null) models.push(model)
    }
    refuseIfAny([...faults, ...nameFaults(models)])
    const routes = modelRoutes(models)
    const server = await RequestServer.listen({ host, port: predictPort ?? PORT, token, routes })
    for (const { scorer } of models) say(`${scorer.label}  by ${shownEvaluator(scorer.evaluator)}`)
    say(`http://${host.includes(':') ? `[${host}]` : host}:${server.port}`)
    await ended.promise
    await server.close()
  } finally {
    ended.dispose()
    await Promise.all(models.map(({ scorer }) => scorer.close()))
  }
}

async function loaded(
  file: string,
  { evaluator, providers }: Config<'evaluator' | 'providers'>,
): Promise<ServedModel> {
  const definition = await modelOfFile(file)
  // An ONNX file says no version.
  const model = definition.version === '?' ? { ...definition, version: '1' } : definition
  const { scorer, notes } = await loadSingle(model, {
    evaluator,
    providers,
    latencyBudgetMs: BATCH_MS,
  })
  sayNotes(notes)
  return served(model, scorer)
}

function nameFaults(models: readonly ServedModel[]): TidemarkError[] {
  const byName = groupedBy(models, ({ model }) => model.name)
  const several = [...byName].filter(([, same]) => same.length > 1)
  return several.map(([name]) => configFault(`several models are "${name}"`))
}

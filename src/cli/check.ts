import { Command } from 'commander'
import { checkConnected } from './check-connected.ts'
import { addSettings, readConfig } from './config.ts'
import { deploymentLines } from './deployment-files.ts'
import { KAFKA_SETTINGS } from './kafka-options.ts'
import { calledFunctions, evaluators, summaryOf, variantLines } from './outline.ts'
import { write } from './output.ts'
import { prepareFiles } from './prepare-files.ts'
import { PREPARE_SETTINGS } from './prepare-settings.ts'
import { sayNotes } from './print.ts'
import { chosenRegistry, REGISTRY_SETTINGS } from './registry-options.ts'
import { workerOptions } from './settings.ts'

const SETTINGS = [
  ...PREPARE_SETTINGS,
  ...KAFKA_SETTINGS,
  ...REGISTRY_SETTINGS,
  'group',
  'from',
  'guarantee',
  'workerName',
] as const

/** `tidemark check FILE…` */
export function check(): Command {
  const command = new Command('check')
    .description(
      'check topologies and their models, and with --connect the cluster; reports all faults at once',
    )
    .argument('<files...>', 'topologies')
    .option(
      '--connect',
      "also check topics, limits, rights and the group's offsets on the brokers, and schemas in the registry; does not join the group",
    )
    .action(async (files: string[], flags: Record<string, unknown>) => {
      const config = readConfig(SETTINGS, flags)
      const isConnected = flags['connect'] === true
      const registry = isConnected ? chosenRegistry(config) : ({ registry: 'later' } as const)
      const prepared = await prepareFiles(files, workerOptions(config), registry)
      try {
        for (const topology of prepared.topologies) await write(`✓ ${summaryOf(topology)}\n`)
        for (const line of evaluators(prepared.topologies)) await write(`${line}\n`)
        for (const line of variantLines(prepared.variants)) await write(`${line}\n`)
        for (const line of calledFunctions(prepared.topologies)) await write(`${line}\n`)
        sayNotes(prepared.notes)
        const definitions = prepared.topologies.map(({ definition }) => definition)
        const models = new Map(Object.entries(config.model))
        for (const line of await deploymentLines({ files, definitions, models })) {
          await write(`${line}\n`)
        }
        if (isConnected) await checkConnected(prepared, config)
      } finally {
        await prepared.close()
      }
    })
  return addSettings(command, SETTINGS)
}

import { Command } from 'commander'
import type { PreparedTopology } from '../runtime/prepare.ts'
import { addSettings, readConfig } from './config.ts'
import { outline } from './outline.ts'
import { write } from './output.ts'
import { PREPARE_SETTINGS, prepareFiles } from './prepare-files.ts'
import { colors, say } from './print.ts'

/** `tidemark check FILE…` */
export function check(): Command {
  const command = new Command('check')
    .description('check topologies and their models without a broker; every fault at once')
    .argument('<files...>', 'topologies')
    .action(async (files: string[], flags: Record<string, unknown>) => {
      const prepared = await prepareFiles(files, readConfig(PREPARE_SETTINGS, flags))
      for (const topology of prepared.topologies) await write(`✓ ${summaryOf(topology)}\n`)
      for (const note of prepared.notes) say(`${colors.yellow('!')} ${note}`)
      await prepared.close()
    })
  return addSettings(command, PREPARE_SETTINGS)
}

/** `card-fraud  payments → 13 features → card-gbdt@1 → predictions  (dead letters: payments.dlq)` */
export function summaryOf({ definition, scorers }: PreparedTopology): string {
  const labels = new Map([...scorers].map(([step, scorer]) => [step, scorer.label]))
  const ways = outline(definition, labels)
  const between = `\n  ${' '.repeat(definition.name.length + 2)}`
  return `${definition.name}  ${ways.join(between)}  (dead letters: ${definition.deadLetterTopic})`
}

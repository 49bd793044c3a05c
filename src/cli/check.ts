import { Command } from 'commander'
import { addSettings, readConfig } from './config.ts'
import { summaryOf } from './outline.ts'
import { write } from './output.ts'
import { PREPARE_SETTINGS, prepareFiles } from './prepare-files.ts'
import { sayNotes } from './print.ts'

/** `tidemark check FILE…` */
export function check(): Command {
  const command = new Command('check')
    .description('check topologies and their models without a broker; every fault at once')
    .argument('<files...>', 'topologies')
    .action(async (files: string[], flags: Record<string, unknown>) => {
      const prepared = await prepareFiles(files, readConfig(PREPARE_SETTINGS, flags))
      for (const topology of prepared.topologies) await write(`✓ ${summaryOf(topology)}\n`)
      sayNotes(prepared.notes)
      await prepared.close()
    })
  return addSettings(command, PREPARE_SETTINGS)
}

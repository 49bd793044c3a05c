import { Copier } from '../copier.ts'
import { runPasses } from '../pass.ts'

await runPasses((task, output) => new Copier(task, output).run())
